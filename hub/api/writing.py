"""Answers to webhooks as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from hub.triggers.webhook.answer import Answer

CLOSE = (b"connection", b"close")


def written(
    answer: Answer, *, defaults: Sequence[tuple[bytes, bytes]] = (), keep_alive: bool = True, with_body: bool = True
) -> bytes:
    """An answer in one piece. `defaults`: the headers that a server puts before all others."""
    lines = [STATUS_LINE[answer.status]]
    for name, value in defaults:
        lines += (name, b": ", value, b"\r\n")
    lines.append(_head(answer.status, len(answer.body), answer.content_type, answer.headers, keep_alive))
    if with_body:
        lines.append(answer.body)
    return b"".join(lines)


@lru_cache(maxsize=1024)
def _head(
    status: int, length: int, content_type: bytes, headers: tuple[tuple[bytes, bytes], ...], keep_alive: bool
) -> bytes:
    """The headers of an answer and the empty line behind them. A hub gives the same few over and over."""
    pairs = Answer(status, b"x" * length, content_type, headers).raw_headers()
    if not keep_alive and CLOSE not in pairs:
        pairs.append(CLOSE)
    return b"".join([b"%s: %s\r\n" % pair for pair in pairs]) + b"\r\n"
