"""An ASGI guard in front of everything: one Host, one length, a head of sensible size, and no body that never ends.

Parsers differ in what they let through (a missing or double Host, Content-Length beside Transfer-Encoding, a head of
200 kB), and what two of them read differently can be used to slip one request inside another (RFC 9112, 6.1 and 11.2).
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any

from hub.triggers.webhook.answer import Answer, problem
from hub.triggers.webhook.receiving import Pace

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
#: Of a length: more than any body has, and none that some parser cannot hold.
_DIGITS = 18
_LENGTHS = (b"content-length", b"transfer-encoding")
_CLOSE = (b"connection", b"close")


@dataclass(frozen=True, slots=True)
class HeadLimits:
    headers: int = 100
    #: Bytes of all names and values together.
    size: int = 32_768
    #: Bytes of path and query.
    url: int = 8_192
    pace: Pace = field(default_factory=Pace)


class Guard:
    """Wraps an ASGI application. Requests that it turns away get a problem document, and their connection is closed.

    A body that comes too slowly is answered with 408, whatever the application makes of its missing end. Paths that begin with `except_for`
    look after their bodies themselves.
    """

    def __init__(self, app: App, limits: HeadLimits | None = None, *, except_for: str = "/webhooks/") -> None:
        self._app = app
        self._limits = limits or HeadLimits()
        self._except_for = except_for

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        away, has_body = look(scope, self._limits)
        if away is not None:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1002})
            else:
                await _send(send, away)
        elif has_body and not scope["path"].startswith(self._except_for):
            await _Slow(receive, send, self._limits.pace).run(self._app, scope)
        else:
            await self._app(scope, receive, send)


def look(
    scope: MutableMapping[str, Any], limits: HeadLimits, *, at_most: int | None = None
) -> tuple[Answer | None, bool]:
    """An answer for a head that is not taken, else None; and whether a body follows it.

    `at_most`: bytes that the head surely has no more of. None: they are counted.
    """
    headers = scope["headers"]
    if len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"]) > limits.url:
        return problem(414, _CLOSE), False
    if len(headers) > limits.headers:
        return problem(431, _CLOSE), False
    if at_most is None or at_most > limits.size:
        at_most = sum(map(len, chain.from_iterable(headers)))
    if at_most > limits.size:
        return problem(431, _CLOSE), False
    given: dict[bytes, bytes] = dict(headers)
    # Most requests have every header once.
    wrong = _framing(given, frozenset() if len(given) == len(headers) else _repeated(headers))
    if wrong is not None:
        return problem(400, _CLOSE, detail=wrong), False
    return None, b"transfer-encoding" in given or given.get(b"content-length", b"0") != b"0"


def _repeated(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    times = Counter(name for name, _ in headers)
    return frozenset(name for name in times if times[name] > 1)


def _framing(given: Mapping[bytes, bytes], repeated: frozenset[bytes]) -> str | None:
    """What is wrong with the Host or with how long the body is said to be. `repeated` names what came more than once."""
    host = given.get(b"host")
    if host is None or b"host" in repeated:
        return "A request has exactly one Host header."
    if not _is_host(host):
        return "The Host header is not the name of a host."
    length, encoding = given.get(b"content-length"), given.get(b"transfer-encoding")
    if (length is not None and encoding is not None) or not repeated.isdisjoint(_LENGTHS):
        return "The length of the body is given more than once."
    if length is not None and not (length.isdigit() and len(length) <= _DIGITS):
        return "Content-Length is not a number."
    if encoding is not None and encoding.strip().lower() != b"chunked":
        return "This Transfer-Encoding is not taken."
    return None


@lru_cache(maxsize=256)
def _is_host(value: bytes) -> bool:
    """Requests name the same few hosts over and over."""
    return _HOST.fullmatch(value) is not None


async def _send(send: Send, answer: Answer) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.raw_headers()})
    await send({"type": "http.response.body", "body": answer.body})


class _Slow:
    """One request whose body is timed."""

    def __init__(self, receive: Receive, send: Send, pace: Pace) -> None:
        self._receive = receive
        self._send = send
        self._pace = pace
        self._begun = asyncio.get_running_loop().time()
        self._received = 0
        self._complete = False
        self._given_up = False
        self._started = False
        self._replaced = False

    async def run(self, app: App, scope: MutableMapping[str, Any]) -> None:
        try:
            await app(scope, self.receive, self.send)
        except Exception:
            if not self._given_up:
                raise
        if self._given_up and not self._started:
            await _send(self._send, problem(408, _CLOSE))

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()
        if self._given_up:
            return {"type": "http.disconnect"}
        try:
            async with asyncio.timeout_at(self._begun + self._pace.allowed(self._received)):
                message = await self._receive()
        except TimeoutError:
            self._given_up = True
            return {"type": "http.disconnect"}
        self._received += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if self._given_up and not self._started:
            # The application speaks of a sender that hung up; this one is still there, and is told why.
            self._started = self._replaced = True
            await _send(self._send, problem(408, _CLOSE))
        self._started = True
        if not self._replaced:
            await self._send(message)
