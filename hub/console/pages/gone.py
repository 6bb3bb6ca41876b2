"""What is left of an executor that no usable file has: it is renamed or gone, or its file has problems."""

from __future__ import annotations

from starlette.responses import Response

from hub.console.visit import Visit
from hub.model.errors import NotFound, Unusable

_SHOWN = 25
_GONE = "No file of executors/ has this name now: it is renamed or gone, and takes nothing more. What it met and started is kept as long as all else."
_UNUSABLE = "Its file cannot be used as it is now, and it takes nothing until that is mended: `hub check` says what is wrong in it."


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
    why = _UNUSABLE if isinstance(error, Unusable) else _GONE
    return visit.show(
        "executor_gone.html", name=name, why=why, events=events, records=records, refused=refused, slots=slots
    )
