"""A connection at the side door: webhooks that come whole, one after the other. Anything else is given back with its bytes.

Nothing is answered here that the main door would have answered otherwise, so it knows no errors: what is not plainly right
is somebody else's matter, who reads it from its beginning.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol, cast

import httptools

from hub.api.writing import written
from hub.triggers.webhook.answer import Answer
from hub.triggers.webhook.intake import Scope
from hub.triggers.webhook.quick import PREFIX

_PREFIX = PREFIX.encode()
#: Bytes of one request. A longer one is given back.
_MOST = 65_536
#: Seconds that a request may take to come, an idle connection may stay, and a peer may take to read.
_COMING, _IDLE, _READING = 1.0, 5.0, 10.0


class Host(Protocol):
    """Where a visitor comes to."""

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """What every answer begins with."""
        ...

    def arrived(self, visitor: Visitor) -> None:
        """It is connected."""
        ...

    def asked(self, visitor: Visitor) -> None:
        """A whole request is there; it wants one `answer`, or to be given back."""
        ...

    def left(self, visitor: Visitor) -> None:
        """It is connected no more."""
        ...

    def pass_on(self, connection: int, data: bytes) -> None:
        """Hand over a connection, by its file number, to the main door."""
        ...


class Visitor(asyncio.Protocol):
    """Reads requests by httptools' parser, which calls its `on_…` methods."""

    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop) -> None:
        self._host = host
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._transport = cast("asyncio.Transport", None)
        self._client: Any = None
        #: The request's bytes, and what came behind them before it was answered.
        self._raw = self._later = b""
        self._waiting = self._stalled = self._gone = self._last = False
        self._since = loop.time()
        self._reset()

    def _reset(self) -> None:
        self._url = self.body = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head: list[tuple[bytes, bytes]] = []
        self._begun = self._whole = self._odd = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._client = transport.get_extra_info("peername")
        self._host.arrived(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self._gone:
            self._gone = True
            self._host.left(self)

    def data_received(self, data: bytes) -> None:
        if self._gone:
            return
        if self._waiting:
            self._later += data
            self._transport.pause_reading()
            return
        if not self._raw:
            self._since = self._loop.time()
        self._raw = self._raw + data if self._raw else data
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._odd = True
        if self._odd or (not self._whole and len(self._raw) > _MOST):
            self.give_back()
        elif self._whole:
            self._waiting = True
            self._host.asked(self)

    def eof_received(self) -> bool:
        """The peer sends nothing more. One that has asked is answered first."""
        self._last = self._waiting
        return self._last

    def on_message_begin(self) -> None:
        # A second one in the same piece: its sender does not wait for answers.
        self._odd, self._begun = self._odd or self._begun, True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        parser = self._parser
        # Fields behind a body in chunks are no part of its head (RFC 9110, 6.5.1).
        self._head, self._headers = self._headers, []
        if not (parser.should_keep_alive() and parser.get_http_version() == "1.1" and self._url.startswith(_PREFIX)):
            self._odd = True

    def on_body(self, body: bytes) -> None:
        self.body = self.body + body if self.body else body

    def on_message_complete(self) -> None:
        self._whole = True

    def scope(self) -> Scope | None:
        """The request's head as ASGI has it, of what webhooks need; None: it is not a plain one."""
        path, _, query = self._url.partition(b"?")
        if not self._url.isascii() or b"%" in path or b"#" in self._url:
            return None
        return {
            "type": "http",
            "method": self._parser.get_method().decode(),
            "path": path.decode(),
            "raw_path": path,
            "query_string": query,
            "headers": self._head,
            "client": self._client,
        }

    @property
    def size(self) -> int:
        """Bytes of the request, head and body."""
        return len(self._raw)

    def answer(self, answer: Answer) -> None:
        if self._gone:
            return
        self._transport.write(written(answer, defaults=self._host.headers, keep_alive=not self._last))
        if self._last:
            self._transport.close()
            return
        self._raw, self._waiting, self._since = b"", False, self._loop.time()
        self._reset()
        if self._later:
            self.give_back()

    def give_back(self) -> None:
        """To the main door, which reads it from the beginning of the request."""
        if self._gone:
            return
        self._gone = True
        self._transport.pause_reading()
        self._host.pass_on(self._transport.get_extra_info("socket").fileno(), self._raw + self._later)
        self._transport.abort()
        self._host.left(self)

    def pause_writing(self) -> None:
        self._stalled, self._since = True, self._loop.time()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._stalled = False
        self._transport.resume_reading()

    def look(self, now: float) -> None:
        """End what takes too long. A request that comes slowly has its time at the main door."""
        took = now - self._since
        if self._stalled:
            if took > _READING:
                self._transport.abort()
        elif self._raw and not self._waiting:
            if took > _COMING:
                self.give_back()
        elif not self._waiting and took > _IDLE:
            self._transport.close()

    def close(self) -> None:
        """When it is not in the middle of a request; that one is answered."""
        if not self._raw:
            self._transport.close()
