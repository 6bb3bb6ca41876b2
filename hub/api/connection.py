"""One connection: uvicorn's httptools protocol, with deadlines for those who are slow and a cap on how many there are.

uvicorn waits for ever for a head and for a reader, and its parser takes a head of any length.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, cast

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from hub.api.turn import Turn
from hub.api.writing import CLOSE, written
from hub.triggers.webhook.answer import Answer, problem, retry_later
from hub.triggers.webhook.intake import Scope
from hub.triggers.webhook.quick import PREFIX, QuickIntake

log = logging.getLogger(__name__)

_REFUSED = 300
#: To hand over a connection costs as much as some deliveries.
_STAYS = 8


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that a connection may take, and how much of it there may be."""

    #: From the first byte of a head, or from the connection's beginning, to the head's end.
    head: float = 10.0
    #: Between an answer and the next request.
    idle: float = 5.0
    #: For a peer that does not read what it is sent, and for the last bytes of a connection that is closed.
    write: float = 10.0
    #: For a peer that was told to go, and still sends.
    linger: float = 2.0
    #: Bytes of a head, and of the fields behind a body in chunks. The guard is stricter; this is for those that never end.
    head_size: int = 65_536
    #: Connections at the same time.
    connections: int = 4_096


class Elsewhere(Protocol):
    """Where connections can go that send webhooks one after the other."""

    def take(self, connection: int, path: str) -> bool:
        """Take over a connection by its file number, after a webhook to this path. False: it stays."""
        ...


class Connection(HttpToolsProtocol):
    """Deadlines are looked at by `look`, once a second for all connections together: a timer each would cost more."""

    patience = Patience()
    #: The short way for webhooks; None: there is none.
    quick: QuickIntake | None = None
    #: Shared by the connections of a server.
    turn = Turn()
    elsewhere: Elsewhere | None = None
    #: What was read of it before it came back from there.
    early = b""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: When it is cut, by the loop's clock; None: an answer is being made.
        self._deadline: float | None = None
        self._write_deadline: float | None = None
        self._in_head = False
        self._head_bytes = 0
        #: Behind the head of a chunk of which no data has come: behind the last one, fields may follow.
        self._in_tail = False
        self._closing = False
        #: A request whose body may already be here; decided at the end of the bytes that came with its head.
        self._fresh: RequestResponseCycle | None = None
        self._feeding = False
        #: Answered, and waiting until the peer has read some of it.
        self._stalled = False
        #: Deliveries that are taken here before it may go elsewhere.
        self._stays = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # a stream's transport, as uvicorn has it
        self._polite = cast("asyncio.Transport", _Polite(self))
        self._deadline = self.loop.time() + self.patience.head
        if len(self.connections) > self.patience.connections:
            self._end_with(retry_later(503, 1))
        elif self.early:
            self._stays = _STAYS
            self.data_received(self.early)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        self._feeding, self._head_bytes = True, self._head_bytes + len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Nothing is upgraded to: it is answered as what it is, and the connection ends with that.
            if self.cycle is not None:
                self.cycle.keep_alive = False
        except httptools.HttpParserError:
            self._end_with(problem(400, CLOSE, detail="This is not HTTP as RFC 9112 has it."))
            return
        finally:
            self._feeding = False
        if (fresh := self._fresh) is not None:
            self._fresh = None
            self.turn.add(self.loop, self._begin, fresh)
        # What came before the head in the same piece is not counted, nor is that piece's part of it.
        if (self._in_head or self._in_tail) and self._head_bytes > self.patience.head_size:
            self._end_with(problem(431, CLOSE))

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio keeps the connection where it is true
        """The peer sends nothing more. One that has asked for something whole is answered first (RFC 9112, section 9.6).

        Whoever was being answered has left: a reader of a stream goes like this.
        """
        last = self.cycle
        if last is None or self._in_head or self._closing or last.more_body or last.response_started:
            return False
        last.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        self._deadline = self.loop.time() + self.patience.head
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head, self._in_tail, self._deadline = False, False, None
        super().on_headers_complete()
        self.cycle.transport = self._polite
        # Fields behind a body in chunks are no part of its head, and nobody reads them (RFC 9110, 6.5.1).
        self.headers = cast("list[tuple[bytes, bytes]]", deque(maxlen=0))

    def on_chunk_header(self) -> None:
        self._in_tail, self._head_bytes = True, 0

    def on_body(self, body: bytes) -> None:
        self._in_tail = False
        super().on_body(body)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if self.quick is None or app is not self.app or not cycle.scope["path"].startswith(PREFIX):
            super()._start_asgi_task(cycle, app)
        elif self._feeding:
            self._fresh = cycle
        else:
            # It waited behind another one; and not at once, because thousands may have come in one piece.
            self.turn.add(self.loop, self._begin, cycle)

    def _begin(self, cycle: RequestResponseCycle) -> None:
        """A request with all of its body takes the short way, any other one the usual."""
        if self._closing:
            return
        if cycle.more_body or self.quick is None:
            super()._start_asgi_task(cycle, self.app)
            return
        work = self.quick.take(cast("Scope", cycle.scope), bytes(cycle.body), partial(self._reply, cycle))
        if work is not None:
            task: asyncio.Task[None] = self.loop.create_task(work)
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def _reply(self, cycle: RequestResponseCycle, answer: Answer) -> None:
        """Write an answer in one piece."""
        if cycle.disconnected or self._closing:
            return
        cycle.keep_alive = cycle.keep_alive and CLOSE not in answer.headers
        self.transport.write(
            written(
                answer,
                defaults=self.server_state.default_headers,
                keep_alive=cycle.keep_alive,
                with_body=cycle.scope["method"] != "HEAD",
            )
        )
        cycle.response_started = cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()
        if self.elsewhere is not None and answer.status < _REFUSED:
            self._move(self.elsewhere, cycle.scope["path"])

    def _move(self, elsewhere: Elsewhere, path: str) -> None:
        """To where its next deliveries are taken as well, if it is wanted there."""
        if self._stays:
            self._stays -= 1
        elif self._at_rest() and elsewhere.take(self.transport.get_extra_info("socket").fileno(), path):
            self._closing = True
            self.transport.pause_reading()
            self.transport.abort()

    def _at_rest(self) -> bool:
        """Between an answer that is out and a request of which nothing has come."""
        return not (
            self._closing
            or self._in_head
            or not self.cycle.response_complete
            or self.transport.is_closing()
            or self.transport.get_write_buffer_size()
        )

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self._closing or self.transport.is_closing():
            self._linger()
        elif self.flow.write_paused:
            # It does not read what it is sent: nothing more is read of it either, nor done for it.
            self._stalled = True
            self.flow.pause_reading()
        else:
            self._go_on()

    def _go_on(self) -> None:
        """The next request of the connection, when there is one."""
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        # Only now: else whoever sends faster than he is answered would have thousands of requests wait here.
        self.flow.resume_reading()
        if not self._in_head:
            self._deadline = self.loop.time() + self.patience.idle

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_deadline = self.loop.time() + self.patience.write

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self._closing:
            self._write_deadline = None
            if self._stalled:
                self._stalled = False
                self._go_on()

    def shutdown(self) -> None:
        super().shutdown()
        if self.transport.is_closing():
            self._linger()

    def look(self, now: float) -> None:
        """Cut the connection when its time is up."""
        if self._write_deadline is not None and now >= self._write_deadline:
            self.transport.abort()
        elif self._deadline is not None and now >= self._deadline and not self._closing:
            if self._in_head:
                self._end_with(problem(408, CLOSE))
            else:
                self.transport.close()
                self._linger()

    def _end_with(self, answer: Answer) -> None:
        """Say why, and close."""
        head = [STATUS_LINE[answer.status]]
        headers = answer.raw_headers()
        if CLOSE not in headers:
            headers.append(CLOSE)
        head += [b"%s: %s\r\n" % pair for pair in headers]
        self.transport.write(b"".join([*head, b"\r\n", answer.body]))
        self._turn_away()

    def hang_up(self) -> None:
        """The last answer is written."""
        if self.cycle is not None and self.cycle.more_body:
            self._turn_away()
        else:
            self.transport.close()
            self._linger()

    def _turn_away(self) -> None:
        """A close while bytes still come in is a reset, and the answer would be lost: what comes is read and dropped."""
        if self._closing or self.transport.is_closing():
            return
        self._closing = True
        self.transport.write_eof()
        self.flow.resume_reading()
        self._write_deadline = self.loop.time() + self.patience.linger

    def _linger(self) -> None:
        """It is closing: what is still to be written has that long."""
        self._closing = True
        if self._write_deadline is None:
            self._write_deadline = self.loop.time() + self.patience.write


class _Polite:
    """What an ASGI answer writes to: the connection's transport, except that it is closed with care."""

    __slots__ = ("_connection", "write")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.write = connection.transport.write

    def close(self) -> None:
        self._connection.hang_up()

    def is_closing(self) -> bool:
        return self._connection.transport.is_closing()
