"""The check that turns due schedules into recorded slots. Recording is what makes a slot happen, once, on any node."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from hub.model.clock import Clock, iso, iso_or_none
from hub.model.durations import spoken
from hub.model.errors import BadInput
from hub.model.event import NewEvent
from hub.model.executor import Executor, ScheduleTrigger
from hub.model.schedule import Slot, StoredSchedule
from hub.triggers.schedule.cron import Cron, cron_of
from hub.triggers.schedule.planning import ON_TIME, Plan, due, first_fire_at

#: How many schedules one check takes.
BATCH = 200
#: How far ahead a check looks for the next due instant, in milliseconds; more than the pause between two checks.
HORIZON = 2_000
#: A wall clock that falls behind the monotonic one by more than this was set back, in milliseconds.
_SET_BACK = 2_000

_log = logging.getLogger(__name__)


class ScheduleStore(Protocol):
    """What the schedules ask of the store."""

    async def schedules(self) -> list[StoredSchedule]:
        """Every stored schedule."""
        ...

    async def schedule(self, executor: str) -> StoredSchedule | None:
        """The stored schedule of one executor."""
        ...

    async def put_schedules(self, rows: Sequence[StoredSchedule], gone: Sequence[str]) -> None:
        """Insert or replace these rows, and delete those of the executors in `gone`, in one transaction."""
        ...

    async def due_schedules(self, now: int, limit: int) -> list[StoredSchedule]:
        """The schedules with `next_fire_at <= now`, the earliest first."""
        ...

    async def record_slots(self, executor: str, slots: Sequence[Slot], next_fire_at: int | None, expected: int) -> int:
        """Insert the slots that are not there yet, each with its event; then set `next_fire_at` where it is still
        `expected`. One transaction. Returns how many were new.
        """
        ...


class Scheduler:
    """Checks the schedules of the present executors against the clock."""

    def __init__(
        self,
        store: ScheduleStore,
        clock: Clock,
        executors: Callable[[], Sequence[Executor]],
        wake: Callable[[], object],
        *,
        may_fire: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store = store
        self._clock = clock
        self._executors = executors
        self._wake = wake
        #: Whether this node's clock can be believed.
        self._may_fire = may_fire
        self._checked: tuple[int, float] | None = None
        #: When the earliest schedule within the horizon is due, after the last check; in the past when work is left over.
        #: None: nothing is near.
        self.next_due: int | None = None

    async def sync_definitions(self) -> int:
        """Give each schedule executor its row, and take away the rows of others. Returns how many rows changed.

        A new or changed definition begins from now. An unchanged one keeps its row untouched, and so its missed slots.
        """
        now = self._clock.now()
        stored = {row.executor: row for row in await self._store.schedules()}
        wanted = {executor.name: trigger for executor, trigger in _schedules(self._executors())}
        changed = []
        for name, trigger in wanted.items():
            known = stored.get(name)
            if known is None or known.definition != definition(trigger):
                row = _fresh(name, trigger, now, paused=known is not None and known.paused)
                changed += [] if row is None else [row]
                await asyncio.sleep(0)  # thousands of new schedules take seconds: let others work in between
        gone = sorted(stored.keys() - wanted.keys())
        if changed or gone:
            await self._store.put_schedules(changed, gone)
        return len(changed) + len(gone)

    async def run_once(self) -> int:
        """Record the slots that are due. Returns how many were new. With `next_due` in the past, work is left over."""
        now = self._clock.now()
        if not self._may_fire():
            self.next_due = None
            return 0
        if self._was_set_back(now):
            await self._follow_the_clock(now)
        rows = await self._store.due_schedules(now + HORIZON, BATCH)
        known = self._known(row.executor for row in rows)
        checks = [
            _Check(row, *known[row.executor], now)
            for row in rows
            if row.executor in known and row.definition == definition(known[row.executor][0])
        ]
        nexts = [check.plan.next_fire_at for check in checks if check.plan.next_fire_at is not None]
        self.next_due = min(nexts, default=None)
        # Together, so that the store can commit them together.
        new = sum(await asyncio.gather(*[self._record(check) for check in checks if check.is_due]))
        if new and any(check.plan.fire for check in checks):
            self._wake()
        return new

    def _known(self, names: Iterable[str]) -> dict[str, tuple[ScheduleTrigger, Cron]]:
        """The triggers of those executors that are present and enabled. Others have a stale row, which waits for
        `sync_definitions`, here or on the node that wrote it.
        """
        wanted = set(names)
        if not wanted:
            return {}
        found = {}
        for executor, trigger in _schedules(self._executors()):
            if executor.name in wanted and (cron := _cron(executor.name, trigger)) is not None:
                found[executor.name] = trigger, cron
        return found

    async def _record(self, check: _Check) -> int:
        row, plan, expected = check.row, check.plan, check.row.next_fire_at
        assert expected is not None  # it is due
        new = await self._store.record_slots(row.executor, check.slots(), plan.next_fire_at, expected)
        if plan.records and not plan.more:
            level = logging.INFO if row.paused else logging.WARNING
            last = plan.records[-1]
            _log.log(level, "schedule %s did not fire at %s: %s", row.executor, iso(last.slot), last.reason)
        return new

    def _was_set_back(self, now: int) -> bool:
        monotonic = self._clock.monotonic()
        before, self._checked = self._checked, (now, monotonic)
        return before is not None and now - before[0] < (monotonic - before[1]) * 1000 - _SET_BACK

    async def _follow_the_clock(self, now: int) -> None:
        """After the clock was set back, schedules may wait for instants that a wrong clock had already passed.

        They go on from `now`; slots that were recorded under the wrong clock are there already and do not fire again.
        """
        _log.warning("the clock was set back to %s: every schedule goes on from there", iso(now))
        rows = await self._store.schedules()
        known = self._known(row.executor for row in rows)
        moved = []
        for row in rows:
            trigger, cron = known.get(row.executor, (None, None))
            if trigger is not None and cron is not None and row.definition == definition(trigger):
                await asyncio.sleep(0)  # as above
                first = first_fire_at(trigger, cron, now, name=row.executor)
                if first is not None and (row.next_fire_at is None or first < row.next_fire_at):
                    moved.append(replace(row, next_fire_at=first))
        if moved:
            await self._store.put_schedules(moved, [])


class _Check:
    """One schedule at one check."""

    def __init__(self, row: StoredSchedule, trigger: ScheduleTrigger, cron: Cron, now: int) -> None:
        self.row = row
        self._cron = cron
        self._now = now
        self.is_due = row.next_fire_at is not None and row.next_fire_at <= now
        self.plan: Plan = due(trigger, cron, row.next_fire_at, now, name=row.executor, paused=row.paused)

    def slots(self) -> list[Slot]:
        firing = [self._firing(slot) for slot in self.plan.fire]
        silent = [record.as_slot() for record in self.plan.records]
        return sorted(firing + silent, key=lambda slot: slot.at)

    def _firing(self, slot: int) -> Slot:
        late = self._now - slot
        reason = "on time." if late < ON_TIME else f"{spoken(late)} after its instant."
        return Slot(slot, slot_event(self.row.executor, self._cron, slot), None, reason)


def slot_event(executor: str, cron: Cron, slot: int) -> NewEvent:
    """The event of a slot: its key is the nominal instant, so that no slot has two."""
    payload = {
        "scheduledTime": iso(slot),
        "previousTime": iso_or_none(cron.previous_before(slot)),
        "nextTime": iso_or_none(cron.next_after(slot)),
    }
    return NewEvent(f"schedule:{executor}", iso(slot), "schedule", slot, payload, executors=(executor,))


def definition(trigger: ScheduleTrigger) -> str:
    """A hash of what decides the slots. Policies and jitter are not in it: they may change without beginning anew."""
    parts = [trigger.cron, trigger.timezone, trigger.start, trigger.end, dict(trigger.dst)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _schedules(executors: Iterable[Executor]) -> list[tuple[Executor, ScheduleTrigger]]:
    return [
        (executor, executor.trigger)
        for executor in executors
        if isinstance(executor.trigger, ScheduleTrigger) and not executor.disabled
    ]


def _fresh(name: str, trigger: ScheduleTrigger, now: int, *, paused: bool) -> StoredSchedule | None:
    cron = _cron(name, trigger)
    if cron is None:
        return None
    return StoredSchedule(name, definition(trigger), first_fire_at(trigger, cron, now, name=name), paused)


def _cron(name: str, trigger: ScheduleTrigger) -> Cron | None:
    """None, and a line in the log, when it cannot be read: one bad schedule must not stop the others."""
    try:
        return cron_of(trigger)
    except BadInput as error:
        _log.error("schedule %s does not run: %s", name, error)
        return None
