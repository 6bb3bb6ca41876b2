"""Refused deliveries: what came, which step it failed at, and whether it would hold now."""

from __future__ import annotations

from starlette.responses import Response

from hub.console.page import Page
from hub.console.visit import Visit


async def refused(visit: Visit) -> Response:
    number = int(visit.request.path_params["id"])
    one = await visit.client.refused_one(number)
    steps = None
    if visit.asked("again") is not None:
        _, examined = await visit.client.check_refused(number)
        steps = examined.steps
    return visit.show("refused.html", one=one, body=one.body.decode(errors="replace"), steps=steps)


async def release(visit: Visit) -> Response:
    stored = await visit.client.release(int(visit.request.path_params["id"]))
    said = "It came again meanwhile, and was accepted then." if stored.duplicate else "Let in: it is an event now."
    return visit.back(f"/console/events/{stored.id}", said)


PAGES = (
    Page("/refused/{id:int}", "webhook:read", refused),
    Page("/refused/{id:int}/release", "webhook:release", release, method="POST"),
)
