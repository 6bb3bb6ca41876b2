"""Home: what needs a person, the last day, what comes next, how late the hub is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from hub.client.overview import Counts
from hub.console.attention import concerns
from hub.console.page import Page
from hub.console.rendering import address
from hub.console.showing.strips import Strip, strip
from hub.console.visit import Visit
from hub.model.clock import iso

_FIRES = 8


@dataclass(frozen=True, slots=True)
class _Counted:
    name: str
    total: int
    href: str
    drawing: Strip


async def home(visit: Visit) -> Response:
    now, client = visit.now, visit.client
    hours, counting = await visit.installation.pulse.day(client, now)
    strips = [
        _counted("rows", hours, lambda one: one.events.get("record", 0), "/console/events"),
        _counted("webhooks", hours, lambda one: one.events.get("webhook", 0), "/console/events"),
        _counted("slots", hours, lambda one: one.events.get("schedule", 0), "/console/schedules"),
        *[
            _counted(name, hours, _outcome(name), address("/console/events", outcome=name), tone)
            for name, tone in (("started", "tone-success"), ("filtered", "tone-skipped"), ("failed", "tone-failed"))
        ],
    ]
    return visit.show(
        "home.html",
        concerns=await concerns(client, now),
        strips=strips,
        counting=counting,
        empty=not counting and not any(one.total for one in strips),
        fires=await client.next_fires(_FIRES),
        lags=await client.lags(),
        lateness=visit.installation.lateness(),
    )


def _outcome(name: str) -> Callable[[Counts], int]:
    return lambda one: one.deliveries.get(name, 0)


def _counted(
    name: str,
    hours: Sequence[tuple[int, Counts | None]],
    pick: Callable[[Counts], int],
    href: str,
    tone: str = "bar-of",
) -> _Counted:
    counts = [0 if one is None else pick(one) for _, one in hours]
    titles = [f"{iso(begin)[11:16]} UTC: {count} {name}" for (begin, _), count in zip(hours, counts, strict=True)]
    return _Counted(name, sum(counts), href, strip(counts, titles, [tone if count else "none" for count in counts]))


PAGES = (Page("", "event:read", home),)
