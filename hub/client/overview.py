"""The hub at a glance: what a person sees first, at a cost that does not grow with what is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from hub.client.verbs import Verbs, subject
from hub.model.event import Delivery, Outcome
from hub.model.execution import ExecutionRecord
from hub.model.executor import Executor, ScheduleTrigger
from hub.model.wait import WaitRecord
from hub.triggers.schedule.upcoming import Instant, upcoming
from hub.triggers.schedule.zones import next_change

#: How far back an executor's deliveries are counted.
COUNTED = 1_000
_A_YEAR = 370 * 86_400_000
#: So long before a clock change slots are looked at, and so many.
_NIGHT, _NEAR = 2 * 3_600_000, 16


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened in a stretch of time."""

    #: By what noticed them: record, webhook, schedule, manual.
    events: Mapping[str, int]
    #: By outcome.
    deliveries: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Funnel:
    """What became of an executor's latest deliveries."""

    seen: int
    #: Whose condition held, whatever came then.
    matched: int
    #: Outcome -> how many.
    outcomes: Mapping[str, int]
    #: Status of the executions that were started -> how many.
    statuses: Mapping[str, int]
    #: The latest started ones, oldest first, each with its status.
    latest: tuple[tuple[str, str], ...]

    @property
    def capped(self) -> bool:
        """Whether there are more, which are not counted."""
        return self.seen >= COUNTED


@dataclass(frozen=True, slots=True)
class Next:
    """A schedule's next slot."""

    executor: str
    at: int
    paused: bool
    #: None: the executor is not in the files any more, or has no schedule now.
    instant: Instant | None


@dataclass(frozen=True, slots=True)
class Lags:
    """How late the hub is, in milliseconds."""

    #: Age of the oldest event that no executor has met; 0: there is none.
    dispatch: int
    #: How long the earliest schedule is overdue.
    schedules: int


class OverviewVerbs(Verbs):
    """The hub at a glance."""

    async def counts_between(self, begin: int, end: int) -> Counts:
        """What was noticed in `[begin, end)`, milliseconds since 1970 UTC, and what became of it."""
        self._require("event:read", "")
        events: Counter[str] = Counter()
        for source, count in (await self._store.sources_between(begin, end)).items():
            events[source.partition(":")[0]] += count
        return Counts(events, await self._store.outcomes_between(begin, end))

    async def failed_executions(self, since: int, limit: int = 200) -> list[ExecutionRecord]:
        """Those that ended in failure at `since` or later, and were not resumed; the latest first."""
        found = await self._store.failed_executions(since, limit)
        return self._visible("execution:read", found, lambda one: subject(one.workflow))

    async def failed_deliveries(self, since: int, limit: int = 200) -> list[Delivery]:
        """Those of events since then that failed, and were not replayed to a better end; newest first."""
        found = await self._store.failed_deliveries(since, limit)
        failed = self._visible("executor:read", found, lambda one: one.executor)
        again = await self._store.deliveries(event_ids=list({one.event_id for one in failed})) if failed else []
        last = {(one.event_id, one.executor): one.id for one in again}
        return [one for one in failed if last[one.event_id, one.executor] == one.id]

    async def lags(self) -> Lags:
        self._require("metrics:read")
        now = self._driver.clock.now()
        oldest = await self._store.oldest_new_event()
        first = await self._store.next_schedules(1)
        late = now - (first[0].next_fire_at or now) if first and not first[0].paused else 0
        return Lags(0 if oldest is None else max(now - oldest, 0), max(late, 0))

    async def next_fires(self, limit: int, after: str | None = None) -> list[Next]:
        """The schedules that come next, the earliest first; `after` is `AT NAME` of one, and begins behind that."""
        found = []
        rows = self._visible(
            "schedule:read", await self._store.next_schedules(limit, _schedule_cursor(after)), lambda one: one.executor
        )
        for row in rows:
            assert row.next_fire_at is not None
            executor = self._driver.executors.get(row.executor)
            found.append(Next(row.executor, row.next_fire_at, row.paused, _instant(executor, row.next_fire_at)))
        return found

    async def fires_of(self, names: Sequence[str]) -> Mapping[str, int]:
        """When each of these executors comes next by its schedule; those that have none, or never do, are left out."""
        fires = await self._store.fires_of(names) if names else {}
        known = self._visible("schedule:read", fires, lambda name: name)
        return {name: fires[name] for name in known}

    def clock_change(self, name: str) -> Instant | None:
        """The slot of a schedule that the next clock change within a year touches; None: none does. Raises NotFound."""
        self._require("schedule:read", name)
        trigger = self._declared(name).trigger
        if not isinstance(trigger, ScheduleTrigger):
            return None
        now = self._driver.clock.now()
        change = next_change(ZoneInfo(trigger.timezone), now, now + _A_YEAR)
        if change is None:
            return None
        return next((one for one in upcoming(trigger, change.at - _NIGHT, _NEAR) if one.note), None)

    def slots_until(self, name: str, until: int, most: int) -> list[int]:
        """The instants at which a schedule comes due from now to `until`, at most so many. Raises NotFound."""
        self._require("schedule:read", name)
        trigger = self._declared(name).trigger
        found: list[int] = []
        at = self._driver.clock.now()
        while isinstance(trigger, ScheduleTrigger) and len(found) < most:
            # One by one: a schedule of every leap day would be followed for a century.
            at = next((one.at for one in upcoming(trigger, at, 1)), until + 1)
            if at > until:
                break
            found.append(at)
        return found

    async def funnel(self, name: str) -> Funnel:
        """What became of the latest deliveries of an executor. Raises NotFound."""
        self._require("executor:read", name)
        self._declared(name)
        deliveries = await self._store.list_deliveries(name, None, COUNTED)
        started = [one.execution_id for one in deliveries if one.execution_id is not None]
        statuses = await self._store.statuses(started) if started else {}
        latest = [(one, statuses[one]) for one in started[:40] if one in statuses]
        return Funnel(
            len(deliveries),
            sum(_condition_held(one) for one in deliveries),
            Counter(one.outcome.value for one in deliveries),
            Counter(statuses.values()),
            tuple(reversed(latest)),
        )

    async def started_by(self, executor: str, limit: int = 50) -> list[ExecutionRecord]:
        """The latest executions that an executor started, newest first."""
        self._require("execution:read")
        met = await self._store.list_deliveries(executor, None, COUNTED)
        ids = [one.execution_id for one in met if one.execution_id is not None][:limit]
        found = await self._store.executions_with_ids(ids) if ids else []
        return self._visible("execution:read", found, lambda one: subject(one.workflow))

    async def started_within(self, execution_id: str, limit: int = 50) -> list[ExecutionRecord]:
        """The executions that an execution started as its children, newest first."""
        found = await self._store.children_of(execution_id, limit)
        return self._visible("execution:read", found, lambda one: subject(one.workflow))

    async def waits_of(self, execution_id: str) -> list[WaitRecord]:
        """Everything that an execution waits or waited for: answers, time, signals, other executions."""
        found = await self._store.waits(execution_id=execution_id)
        return self._visible("execution:read", found, lambda one: subject(one.workflow))

    async def statuses(self, ids: Sequence[str]) -> Mapping[str, str]:
        """The status of each of these executions that there still is."""
        self._require("execution:read", "")
        return await self._store.statuses(ids) if ids else {}

    def answer_schema(self, wait_point: str) -> dict[str, Any]:
        """The JSON Schema of a wait point's answer; `{}` where anything goes, or the point is not declared any more."""
        self._require("wait-point:read", wait_point)
        found = self._driver.registry.wait_points.get(wait_point)
        return {} if found is None else found.result.schema()


def _condition_held(one: Delivery) -> bool:
    """Whether its condition held: the variables were asked then, or something behind it went wrong."""
    error = str(one.evaluation.get("error", ""))
    return (
        one.outcome is Outcome.STARTED
        or "variables" in one.evaluation
        or not (error or "condition").startswith("condition")
    )


def _schedule_cursor(after: str | None) -> tuple[int, str] | None:
    """A schedule's place in the order of what comes next."""
    at, _, name = (after or "").partition(" ")
    return (int(at), name) if at.isascii() and at.isdigit() and len(at) < 16 else None  # noqa: PLR2004 - milliseconds


def _instant(executor: Executor | None, at: int) -> Instant | None:
    if executor is None or not isinstance(executor.trigger, ScheduleTrigger):
        return None
    # The row's instant has its jitter in it.
    return next(iter(upcoming(executor.trigger, at - executor.trigger.jitter - 1, 1)), None)
