"""What surrounds a scheduler in tests: a clock that is moved by hand, and the store as its promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from hub.model.clock import from_iso
from hub.model.event import NewEvent, Outcome
from hub.model.executor import Executor, JobTarget, ScheduleTrigger
from hub.model.schedule import Slot, StoredSchedule
from hub.triggers.schedule.cron import Cron
from hub.triggers.schedule.loop import Scheduler

SECOND = 1_000


MINUTE = 60 * SECOND


HOUR = 60 * MINUTE


DAY = 24 * HOUR


NOON = from_iso("2026-05-04T12:00")


class HandClock:
    """A clock that a test moves. Its monotonic time goes on even when the wall clock is set."""

    def __init__(self, now: int = NOON) -> None:
        self.wall = now
        self.since_start = 0.0

    def now(self) -> int:
        return self.wall

    def monotonic(self) -> float:
        return self.since_start

    async def sleep(self, seconds: float) -> None:
        self.forward(round(seconds * 1000))

    def forward(self, ms: int) -> None:
        self.wall += ms
        self.since_start += ms / 1000

    def set(self, now: int) -> None:
        self.wall = now


class Pages:
    """Stands in for the store behind the port: what a store promises, on dicts."""

    def __init__(self) -> None:
        self.rows: dict[str, StoredSchedule] = {}
        self.slots: dict[tuple[str, int], Slot] = {}
        self.events: list[NewEvent] = []
        self.writes = 0

    async def schedules(self) -> list[StoredSchedule]:
        return list(self.rows.values())

    async def schedule(self, executor: str) -> StoredSchedule | None:
        return self.rows.get(executor)

    async def put_schedules(self, rows, gone) -> None:
        self.writes += 1
        self.rows.update({row.executor: row for row in rows})
        for name in gone:
            self.rows.pop(name, None)

    async def due_schedules(self, now: int, limit: int) -> list[StoredSchedule]:
        found = [row for row in self.rows.values() if row.next_fire_at is not None and row.next_fire_at <= now]
        return sorted(found, key=lambda row: row.next_fire_at or 0)[:limit]

    async def record_slots(self, executor, slots, next_fire_at, expected) -> int:
        await asyncio.sleep(0)
        new = [slot for slot in slots if (executor, slot.at) not in self.slots]
        self.slots.update({(executor, slot.at): slot for slot in new})
        self.events += [slot.event for slot in new if slot.event is not None]
        if (row := self.rows.get(executor)) is not None and row.next_fire_at == expected:
            self.rows[executor] = replace(row, next_fire_at=next_fire_at)
        return len(new)


def executor(name="nightly", *, disabled=False, **trigger):
    return Executor(
        name, ScheduleTrigger(**{"cron": "0 * * * *", **trigger}), JobTarget("job", None), disabled=disabled
    )


def slots_between(cron: Cron, after: int, until: int, limit: int) -> list[int]:
    """The slots in (after, until], oldest first, at most `limit` of them."""
    slots: list[int] = []
    slot = cron.next_after(after)
    while slot is not None and slot <= until and len(slots) < limit:
        slots.append(slot)
        slot = cron.next_after(slot)
    return slots


class Hub:
    """A scheduler with its surroundings."""

    def __init__(self, *executors: Executor, pages: Pages | None = None, clock: HandClock | None = None) -> None:
        self.clock = clock or HandClock()
        self.pages = pages or Pages()
        self.executors = list(executors)
        self.woken = 0
        self.scheduler = Scheduler(self.pages, self.clock, lambda: self.executors, self.wake)

    def wake(self) -> None:
        self.woken += 1

    def sync(self) -> int:
        return asyncio.run(self.scheduler.sync_definitions())

    def check(self) -> int:
        return asyncio.run(self.scheduler.run_once())

    def drain(self) -> int:
        total, new = 0, 1
        while new:
            new = self.check()
            total += new
        return total

    @property
    def next(self) -> int | None:
        return self.pages.rows["nightly"].next_fire_at

    @property
    def outcomes(self) -> dict[int, Outcome | None]:
        return {at: slot.outcome for (_, at), slot in sorted(self.pages.slots.items())}
