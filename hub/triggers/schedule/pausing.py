"""The end of a pause: what came due in it is recorded before the schedule goes on, also while no server records slots."""

from __future__ import annotations

from hub.model.executor import Executor, ScheduleTrigger
from hub.triggers.schedule.cron import cron_of
from hub.triggers.schedule.loop import ScheduleStore, definition
from hub.triggers.schedule.planning import due


async def end_pause(store: ScheduleStore, executor: Executor, now: int) -> int:
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
