"""Trying an executor: what would become of an event, a correctly signed request, an event by hand."""

from __future__ import annotations

from starlette.responses import Response

from hub.console.page import Page
from hub.console.pages.events import given_json
from hub.console.pages.executors import show_executor
from hub.console.visit import Visit


async def preview(visit: Visit) -> Response:
    """What would become of what was pasted: the page that answers shows it, since it is stored nowhere."""
    one = visit.client.executor(visit.named("name"))
    pasted = visit.text("data")
    found = await visit.client.preview(one.name, data=given_json(pasted))
    return await show_executor(visit, one, "preview", preview=found, pasted=pasted)


async def send(visit: Visit) -> Response:
    name = visit.named("name")
    body = visit.text("data").encode()
    stored = await visit.client.send_signed(name, body, visit.text("event").strip() or None)
    said = "It was signed as its sender would, passed every step, and was stored."
    if stored.duplicate:
        said = "It was signed and passed every step. The same one had been stored before: this is that one."
    return visit.back(f"/console/events/{stored.id}", said)


async def trigger(visit: Visit) -> Response:
    name = visit.named("name")
    event = await visit.client.trigger_executor(name, given_json(visit.form.get("data")))
    return visit.back(f"/console/events/{event.id}", "Stored, for this executor alone.")


PAGES = (
    Page("/executors/{name}/preview", "executor:read", preview, method="POST"),
    Page("/executors/{name}/send", "executor:trigger", send, method="POST"),
    Page("/executors/{name}/trigger", "executor:trigger", trigger, method="POST"),
)
