"""Wait points: an inbox of what executions ask people."""

from __future__ import annotations

from starlette.responses import Response

from hub.console.page import Page
from hub.console.pages.executions import questions
from hub.console.visit import Visit

_SHOWN = 50


async def wait_points(visit: Visit) -> Response:
    everything = visit.asked("all") is not None
    before = visit.asked("before")
    page = await visit.client.wait_points_page(open_only=not everything, before=before, limit=_SHOWN)
    return visit.show(
        "wait_points.html",
        waits=page.items,
        everything=everything,
        before=before,
        next=page.last,
        questions=questions(visit, page.items),
    )


PAGES = (Page("/wait-points", "wait-point:read", wait_points),)
