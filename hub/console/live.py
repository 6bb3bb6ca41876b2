"""An open execution page, kept up to date: server-sent events whose data is HTML for the page's pieces."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator

from starlette.responses import Response

from hub.api.live import Change
from hub.api.problems import TooMany
from hub.api.streams import EventStream
from hub.console.page import Page
from hub.console.pages.executions import look
from hub.console.rendering import environment
from hub.console.visit import Visit, number

#: Seconds after which what runs is drawn again although nothing has changed: its bars grow.
_GROWS = 2.0


async def live(visit: Visit) -> Response:
    identifier = visit.named("id")
    await visit.client.execution(identifier)
    seat = contextlib.ExitStack()
    try:
        seat.enter_context(visit.installation.live.seat(visit.person.label))
    except TooMany as error:
        return Response(str(error), status_code=429, headers={"retry-after": "5"})
    return EventStream(_pieces(visit, identifier), _given_back(seat))


async def _pieces(visit: Visit, identifier: str) -> AsyncGenerator[str]:
    """New lines as they are committed, the rest whenever it has changed, until the execution has ended."""
    after = number(visit.request.headers.get("last-event-id") or visit.asked("after")) or 0
    changes = visit.installation.live.follow(visit.client, identifier, after)
    coming: asyncio.Task[Change] | None = None
    last = False
    try:
        while not last:
            coming = coming or asyncio.create_task(_next(changes))
            done, _ = await asyncio.wait({coming}, timeout=_GROWS)
            if done:
                change, coming = coming.result(), None
                last = change.last
                if change.lines:
                    after = change.lines[-1][0]
                    yield _message(visit, "live_lines.html", after, lines=change.lines)
            yield _message(visit, "live.html", after, **await look(visit, identifier))
        yield "event: ended\ndata:\n\n"
    except _Closed:
        return
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


class _Closed(Exception):
    """There will be no further change."""


async def _next(changes: AsyncIterator[Change]) -> Change:
    async for change in changes:
        return change
    raise _Closed


@contextlib.contextmanager
def _given_back(seat: contextlib.ExitStack) -> Iterator[None]:
    """A seat that was taken before the answer began, and is given back at its end."""
    with seat:
        yield


def _message(visit: Visit, template: str, after: int, **values: object) -> str:
    """One event. The number of the last line goes with it, so that a browser that comes back says where to go on."""
    text = environment().get_template(template).render(visit.frame() | values)
    return f"id: {after}\n" + "".join(f"data: {line}\n" for line in text.split("\n")) + "\n"


PAGES = (Page("/executions/{id}/live", "execution:logs", live),)
