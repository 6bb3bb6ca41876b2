"""Refused deliveries: what came, which step it failed at, and whether it would hold now."""

from __future__ import annotations

from starlette.responses import Response

from hub.console.page import Page
from hub.console.visit import Visit, number
from hub.model.errors import NotFound


def _asked(visit: Visit) -> int:
    """The number in the address. Raises NotFound."""
    text = visit.named("id")
    if (found := number(text)) is None:
        raise NotFound("refused delivery", text)
    return found


async def refused(visit: Visit) -> Response:
    identifier = _asked(visit)
    one = await visit.client.refused_one(identifier)
    steps = None
    if visit.asked("again") is not None:
        _, examined = await visit.client.check_refused(identifier)
        steps = examined.steps
    return visit.show("refused.html", one=one, body=one.body.decode(errors="replace"), steps=steps)


async def release(visit: Visit) -> Response:
    stored = await visit.client.release(_asked(visit))
    said = "It came again meanwhile, and was accepted then." if stored.duplicate else "Let in: it is an event now."
    return visit.back(f"/console/events/{stored.id}", said)


PAGES = (
    Page("/refused/{id}", "webhook:read", refused),
    Page("/refused/{id}/release", "webhook:release", release, method="POST"),
)
