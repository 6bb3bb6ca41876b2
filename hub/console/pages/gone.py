"""What is left of an executor that no file has any more: it is renamed, or gone."""

from __future__ import annotations

from starlette.responses import Response

from hub.console.visit import Visit
from hub.model.errors import NotFound

_SHOWN = 25


async def show_gone(visit: Visit, name: str, error: NotFound) -> Response:
    """Its history; `error` where there never was one of that name, or nothing is kept of it."""
    client = visit.client
    events = (await client.events_page(executor=name, limit=_SHOWN)).items
    refused = (await client.refused_page(name, limit=_SHOWN)).items if visit.may("webhook:read", name) else []
    try:
        slots = (await client.slots_page(name, limit=_SHOWN)).items
    except NotFound:
        slots = []
    if not (events or refused or slots):
        raise error
    records = await client.started_by(name, _SHOWN)
    return visit.show("executor_gone.html", name=name, events=events, records=records, refused=refused, slots=slots)
