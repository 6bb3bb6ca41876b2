"""Refused deliveries: what came, which step it failed at, and whether it would hold now."""

from __future__ import annotations

from starlette.responses import Response

from hub.console.page import Page
from hub.console.visit import Visit


async def refused(visit: Visit) -> Response:
    one = await visit.client.refused_one(int(visit.request.path_params["id"]))
    steps = None
    if visit.asked("again") is not None:
        steps = await visit.installation.refusals.check(visit.client, one)
    return visit.show("refused.html", one=one, body=one.body.decode(errors="replace"), steps=steps)


async def release(visit: Visit) -> Response:
    one = await visit.client.refused_one(int(visit.request.path_params["id"]))
    stored = await visit.installation.refusals.release(visit.client, one)
    said = "It came again meanwhile, and was accepted then." if stored.duplicate else "Let in: it is an event now."
    return visit.back(f"/console/events/{stored.id}", said)


PAGES = (
    Page("/refused/{id:int}", "webhook:read", refused),
    Page("/refused/{id:int}/release", "webhook:release", release, method="POST"),
)
