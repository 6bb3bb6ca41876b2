"""Server-sent events: one answer that goes on until there is nothing more to tell, or the reader leaves.

See https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hub.api.live import Change, Live
from hub.api.operations import Call, Operation, Parameter
from hub.api.problems import Unreadable
from hub.api.schemas import ID, NUMBER, one_of
from hub.model.errors import HubError
from hub.triggers.webhook.answer import SAFETY
from hub.views.executions import execution_row, job_view, log_view

log = logging.getLogger(__name__)

EVENT_STREAM = "text/event-stream"
#: Seconds without an event after which a comment is sent, so that nobody between thinks the connection dead.
_ALIVE = 15.0
#: Seconds after which a stream ends; readers come back by themselves, and say anew who they are.
_LONGEST = 600.0
_AGAIN_MS = 1_000

#: One event. `data` is JSON: an execution without its jobs, a job, a log line, {id, status} at the end.
_ONE = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": one_of(("execution", "job", "log", "end", "problem")),
        "data": {"type": "string", "contentMediaType": "application/json"},
        "id": {"type": "string", "description": "Number of a log line"},
    },
}


class EventStream(Response):
    """An answer made of events. `seat` is given back when it is over."""

    media_type = EVENT_STREAM

    def __init__(self, events: AsyncGenerator[str], seat: AbstractContextManager[None]) -> None:
        super().__init__(None, 200)
        del self.headers["content-length"]
        self.raw_headers += SAFETY
        self._events = events
        self._seat = seat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._seat:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                telling = asyncio.create_task(self._send_events(send))
                leaving = asyncio.create_task(_disconnected(receive))
                try:
                    await asyncio.wait({telling, leaving}, return_when=asyncio.FIRST_COMPLETED, timeout=_LONGEST)
                finally:
                    for task in (telling, leaving):
                        task.cancel()
                    await asyncio.gather(telling, leaving, return_exceptions=True)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_events(self, send: Send) -> None:
        async def say(text: str) -> None:
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})

        await say(f"retry: {_AGAIN_MS}\n\n")
        next_one: asyncio.Task[str] | None = None
        try:
            while True:
                next_one = next_one or asyncio.ensure_future(anext(self._events))
                done, _ = await asyncio.wait({next_one}, timeout=_ALIVE)
                if not done:
                    await say(":\n\n")
                    continue
                text = next_one.result()
                next_one = None
                await say(text)
        except StopAsyncIteration:
            pass
        except HubError as error:
            await say(event("problem", {"detail": str(error)}))
        except Exception:
            log.exception("a stream broke off")
        finally:
            if next_one is not None:
                next_one.cancel()
                with contextlib.suppress(BaseException):
                    await next_one
            await self._events.aclose()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def event(kind: str, value: Any, identifier: int | None = None) -> str:
    """One event. JSON text has no line breaks, so it is one line of data."""
    name = "" if identifier is None else f"id: {identifier}\n"
    return f"{name}event: {kind}\ndata: {json.dumps(value, separators=(',', ':'))}\n\n"


def stream_operations(live: Live) -> tuple[Operation, ...]:
    """The live view of an execution."""

    async def stream(call: Call) -> Any:
        after = _last_line_seen(call)
        # Whether there is such a one, and whether they may, is an answer of its own and not an event.
        await call.client.execution(call.path["id"])
        await call.client.logs_page(call.path["id"], limit=1)
        seat = live.seat(call.principal.label)
        seat.__enter__()
        return EventStream(_event_texts(live, call, after), _AlreadyEntered(seat))

    return (
        Operation(
            method="GET",
            path="/api/v1/executions/{id}/stream",
            id="streamExecution",
            summary=(
                "The execution as it goes on, as server-sent events: `execution`, `job`, `log`, `end`; after a break go on "
                "with Last-Event-ID."
            ),
            action="execution:logs",
            path_schemas={"id": ID},
            query=(Parameter("after", {**NUMBER, "minimum": 0}, "Number of the last log line that is known already."),),
            handle=stream,
            answer=_ONE,
            answer_type=EVENT_STREAM,
            problems={429: "Too many streams are open, or too many wrong tokens came from there."},
        ),
    )


class _AlreadyEntered:
    """A context that was entered before, and is left here."""

    def __init__(self, inner: AbstractContextManager[None]) -> None:
        self._inner = inner

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        self._inner.__exit__(None, None, None)


def _last_line_seen(call: Call) -> int:
    request: Request = call.request
    given = request.headers.get("last-event-id")
    if given is None:
        return int(call.query.get("after", 0))
    if not (given.isascii() and given.isdigit() and len(given) < 19):  # noqa: PLR2004 - fits 64 bits
        raise Unreadable("Last-Event-ID is not the number of a log line.")
    return int(given)


async def _event_texts(live: Live, call: Call, after: int) -> AsyncGenerator[str]:
    async for change in live.follow(call.client, call.path["id"], after):
        yield _as_events(change)


def _as_events(change: Change) -> str:
    parts = [event("execution", execution_row(change.record))] if change.changed else []
    parts += [event("job", job_view(call)) for call in change.jobs]
    parts += [event("log", {"number": number, **log_view(line)}, number) for number, line in change.lines]
    if change.last:
        parts.append(event("end", {"id": change.record.id, "status": change.record.status.value}))
    return "".join(parts)
