"""One connection: uvicorn's httptools protocol, with deadlines for those who are slow and a cap on how many there are.

uvicorn waits for ever for a head and for a reader, and its parser takes a head of any length.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hub.triggers.webhook.answer import Answer, problem, retry_later

log = logging.getLogger(__name__)

_CLOSE = (b"connection", b"close")
_PHRASES = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that a connection may take, and how much of it there may be."""

    #: From the first byte of a head, or from the connection's beginning, to the head's end.
    head: float = 10.0
    #: Between an answer and the next request.
    idle: float = 5.0
    #: For a peer that does not read what it is sent, and for the last bytes of a connection that is closed.
    write: float = 10.0
    #: Bytes of a head. The guard is stricter; this is for heads that never end.
    head_size: int = 65_536
    #: Connections at the same time.
    connections: int = 4_096


class Connection(HttpToolsProtocol):
    """Deadlines are looked at by `look`, once a second for all connections together: a timer each would cost more."""

    patience = Patience()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: When it is cut, by the loop's clock; None: an answer is being made.
        self._deadline: float | None = None
        self._write_deadline: float | None = None
        self._in_head = False
        self._head_bytes = 0
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # a stream's transport, as uvicorn has it
        self._deadline = self.loop.time() + self.patience.head
        if len(self.connections) > self.patience.connections:
            self._end_with(retry_later(503, 1))

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Nothing is upgraded to: it is answered as what it is, and the connection ends with that.
            if self.cycle is not None:
                self.cycle.keep_alive = False
        except httptools.HttpParserError:
            self._end_with(problem(400, _CLOSE, detail="This is not HTTP as RFC 9112 has it."))
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.patience.head_size:
                self._end_with(problem(431, _CLOSE))

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        self._deadline = self.loop.time() + self.patience.head
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head, self._deadline = False, None
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._linger()
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif not self._in_head:
            self._deadline = self.loop.time() + self.patience.idle

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_deadline = self.loop.time() + self.patience.write

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self._closing:
            self._write_deadline = None

    def shutdown(self) -> None:
        super().shutdown()
        self._linger()

    def look(self, now: float) -> None:
        """Cut the connection when its time is up."""
        if self._write_deadline is not None and now >= self._write_deadline:
            self.transport.abort()
        elif self._deadline is not None and now >= self._deadline and not self._closing:
            if self._in_head:
                self._end_with(problem(408, _CLOSE))
            else:
                self.transport.close()
                self._linger()

    def _end_with(self, answer: Answer) -> None:
        """Say why, and close."""
        head = [b"HTTP/1.1 %d %s\r\n" % (answer.status, _PHRASES[answer.status])]
        headers = answer.raw_headers()
        if _CLOSE not in headers:
            headers.append(_CLOSE)
        head += [b"%s: %s\r\n" % pair for pair in headers]
        self.transport.write(b"".join([*head, b"\r\n", answer.body]))
        self.transport.close()
        self._linger()

    def _linger(self) -> None:
        """It is closing: what is still to be written has that long."""
        self._closing = True
        if self._write_deadline is None:
            self._write_deadline = self.loop.time() + self.patience.write
