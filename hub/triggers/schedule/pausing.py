"""The end of a pause: what came due in it is recorded before the schedule goes on, also while no server records slots."""

from __future__ import annotations

from typing import Protocol

from hub.model.executor import Executor, ScheduleTrigger
from hub.model.schedule import Slot, StoredSchedule
from hub.triggers.schedule.cron import cron_of
from hub.triggers.schedule.loop import definition
from hub.triggers.schedule.planning import due


class PausedStore(Protocol):
    """What the end of a pause asks of the store."""

    async def schedule(self, executor: str) -> StoredSchedule | None:
        """The stored schedule of one executor."""
        ...

    async def record_slots(self, executor: str, slots: list[Slot], next_fire_at: int | None, expected: int) -> int:
        """As for the scheduler."""
        ...


async def end_pause(store: PausedStore, executor: Executor, now: int) -> int:
    """Record as paused what has come due by `now` of a schedule that is paused still; how many slots were new.

    Otherwise the next server would take them for missed ones, and might make up for them.
    """
    trigger = executor.trigger
    if not isinstance(trigger, ScheduleTrigger) or executor.disabled:
        return 0
    row = await store.schedule(executor.name)
    if row is None or not row.paused or row.definition != definition(trigger):
        return 0  # one that was changed begins anew from now
    cron = cron_of(trigger)
    new, at = 0, row.next_fire_at
    while at is not None and at <= now:
        plan = due(trigger, cron, at, now, name=row.executor, paused=True)
        slots = [record.as_slot() for record in plan.records]
        new += await store.record_slots(row.executor, slots, plan.next_fire_at, at)
        at = plan.next_fire_at
    return new
