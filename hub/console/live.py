"""An open execution page, kept up to date: server-sent events whose data is HTML for the page's pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from hub.console.page import Page
from hub.console.pages.executions import look
from hub.console.rendering import environment
from hub.console.visit import Visit
from hub.model.execution import ENDED

#: Seconds between two looks. Two of them and the way to the browser are less than what people notice.
_LOOK_SECONDS = 0.1
#: Looks between two drawings of what runs and has not changed: its bars grow.
_REDRAW = 10
#: How long one stream is kept up; the browser asks again by itself.
_LONGEST = 600.0


async def live(visit: Visit) -> Response:
    await visit.client.execution(visit.named("id"))
    streams = visit.installation.streams
    if not streams.enter(visit.person.name):
        return Response("too many pages are open", status_code=429, headers={"retry-after": "10"})
    return StreamingResponse(_stream(visit), media_type="text/event-stream", headers={"cache-control": "no-store"})


async def _stream(visit: Visit) -> AsyncIterator[str]:
    """New lines as they come, the rest whenever it has changed, until the execution has ended."""
    asked = visit.request.headers.get("last-event-id") or visit.asked("after") or "0"
    after = int(asked) if asked.isdecimal() else 0
    identifier, logs = visit.named("id"), visit.may("execution:logs")
    loop = asyncio.get_running_loop()
    end, shown, looks = loop.time() + _LONGEST, None, 0
    try:
        while loop.time() < end and not visit.installation.closing.is_set():
            # Looked at before the lines: what was logged before the end is sent before the end.
            values = await look(visit, identifier)
            lines = await visit.client.logs(identifier, after) if logs else []
            if lines:
                after = lines[-1][0]
                yield _message("live_lines.html", after, visit, lines=lines)
            state = (
                values["record"].status,
                [(call.path, call.status, call.attempts) for call in values["record"].jobs],
            )
            looks += 1
            if state != shown or looks % _REDRAW == 0:
                shown = state
                yield _message("live.html", after, visit, **values)
            if values["record"].status in ENDED:
                yield "event: ended\ndata:\n\n"
                return
            await visit.installation.clock.sleep(_LOOK_SECONDS)
    finally:
        visit.installation.streams.leave(visit.person.name)


def _message(template: str, after: int, visit: Visit, **values: object) -> str:
    text = environment().get_template(template).render(visit.frame() | values)
    return f"id: {after}\n" + "".join(f"data: {line}\n" for line in text.split("\n")) + "\n"


PAGES = (Page("/executions/{id}/live", "execution:read", live),)
