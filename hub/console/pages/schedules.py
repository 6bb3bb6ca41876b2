"""Schedules: when each comes next, what became of past slots, and what the nights of a clock change do."""

from __future__ import annotations

from starlette.responses import Response

from hub.client.overview import Next
from hub.console.page import Page
from hub.console.pages.executors import states_strip
from hub.console.visit import Visit
from hub.model.executor import Executor, ScheduleTrigger
from hub.triggers.schedule.upcoming import Instant

_SHOWN = 100
_PAST = 16
#: Slots that are looked through for a night of a clock change, of the first few schedules.
_AHEAD, _LOOKED_AT = 200, 10


async def schedules(visit: Visit) -> Response:
    known = {one.name: one for one in visit.client.executors()}
    fires = await visit.client.next_fires(_SHOWN)
    rows = [await _row(visit, fire, known.get(fire.executor)) for fire in fires]
    return visit.show("schedules.html", rows=rows, changes=_changes(visit, fires))


async def _row(visit: Visit, fire: Next, executor: Executor | None) -> dict[str, object]:
    trigger = executor.trigger if executor is not None else None
    past = [] if executor is None else (await visit.client.slots_page(fire.executor, limit=_PAST)).items
    return {
        "executor": fire.executor,
        "at": fire.at,
        "paused": fire.paused,
        "local": fire.instant.local if fire.instant else "",
        "note": fire.instant.note if fire.instant else "it is not in the files any more",
        "cron": trigger.cron if isinstance(trigger, ScheduleTrigger) else "",
        "timezone": trigger.timezone if isinstance(trigger, ScheduleTrigger) else "",
        "past": states_strip([(slot.outcome or "started", slot.reason) for slot in reversed(past)]),
    }


def _changes(visit: Visit, fires: list[Next]) -> list[tuple[str, Instant]]:
    """Of each schedule the next slot that a clock change touches."""
    found = []
    for fire in fires[:_LOOKED_AT]:
        if fire.instant is None:
            continue
        noted = next((one for one in visit.client.next_slots(fire.executor, _AHEAD) if one.note), None)
        if noted is not None:
            found.append((fire.executor, noted))
    return found


PAGES = (Page("/schedules", "schedule:read", schedules),)
