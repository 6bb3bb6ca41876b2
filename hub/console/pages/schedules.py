"""Schedules: when each comes next, what became of past slots, and what the nights of a clock change do."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hub.client.overview import Next
from hub.console.page import Page
from hub.console.showing.days import DAY_MS, day, place_of
from hub.console.visit import Visit
from hub.model.executor import Executor, ScheduleTrigger
from hub.triggers.schedule.upcoming import Instant

_SHOWN = 25
#: Slots that are drawn to the left and to the right of now.
_PAST, _COMING = 48, 24


async def schedules(visit: Visit) -> Response:
    known = {one.name: one for one in visit.client.executors()}
    after = visit.asked("after")
    fires = await visit.client.next_fires(_SHOWN, after)
    rows = [await _row(visit, fire, known.get(fire.executor)) for fire in fires]
    return visit.show("schedules.html", rows=rows, changes=_changes(visit, fires), after=after, next=_next(fires))


def _next(fires: list[Next]) -> str | None:
    """Where the next page begins; None: this was all."""
    return f"{fires[-1].at} {fires[-1].executor}" if len(fires) == _SHOWN else None


async def _row(visit: Visit, fire: Next, executor: Executor | None) -> dict[str, Any]:
    trigger = executor.trigger if executor is not None else None
    past: list[Any] = []
    coming: list[int] = []
    if isinstance(trigger, ScheduleTrigger):
        past = (await visit.client.slots_page(fire.executor, limit=_PAST)).items
        coming = visit.client.slots_until(fire.executor, visit.now + DAY_MS, _COMING)
    return {
        "executor": fire.executor,
        "at": fire.at,
        "paused": fire.paused,
        "local": fire.instant.local if fire.instant else "",
        "note": fire.instant.note if fire.instant else "it is not in the files any more",
        "cron": trigger.cron if isinstance(trigger, ScheduleTrigger) else "",
        "timezone": trigger.timezone if isinstance(trigger, ScheduleTrigger) else "",
        "day": day([(slot.at, slot.outcome or "started") for slot in past], coming, visit.now),
        "more_from": place_of(coming[-1], visit.now) if len(coming) == _COMING else None,
        "more_until": place_of(past[-1].at, visit.now) if len(past) == _PAST else None,
    }


def _changes(visit: Visit, fires: list[Next]) -> list[tuple[str, Instant]]:
    """Of each schedule the slot that the next clock change touches."""
    found = [(fire.executor, visit.client.clock_change(fire.executor)) for fire in fires if fire.instant is not None]
    return [(executor, instant) for executor, instant in found if instant is not None]


PAGES = (Page("/schedules", "schedule:read", schedules),)
