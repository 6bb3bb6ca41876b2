"""Answers to senders: short, constant, and useless to a browser."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"
PROBLEM = b"application/problem+json"

#: On every answer. Nothing that a sender wrote may ever run in somebody's browser.
SAFETY: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"sandbox; default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

_DETAILS: Mapping[int, str] = {
    400: "The body cannot be read.",
    401: "The credential is missing or wrong.",
    403: "This is not allowed.",
    404: "There is nothing here.",
    405: "This method is not taken here.",
    408: "The body took too long to arrive.",
    409: "This delivery id was used before, with another body. Both are kept.",
    413: "The body is too large.",
    414: "The address is too long.",
    415: "This content type or encoding is not taken here.",
    422: "The body does not have the shape that is asked for.",
    429: "Too many deliveries. Try again later.",
    431: "The headers are too large.",
    503: "The delivery could not be stored. Try again.",
}


class Answer(NamedTuple):
    """A response, ready to be sent."""

    status: int
    body: bytes = b""
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()
    #: For the operator; never sent.
    reason: str = ""

    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        if self.status == HTTPStatus.NO_CONTENT:
            # It has no content, so neither a length (RFC 9110, 8.6) nor a type.
            return [*SAFETY, *self.headers]
        own = [(b"content-length", b"%d" % len(self.body)), (b"content-type", self.content_type)]
        return [*own, *SAFETY, *self.headers]


def problem(status: int, *headers: tuple[bytes, bytes], detail: str = "", reason: str = "") -> Answer:
    """A problem document (RFC 9457) with a constant text for its status, unless `detail` says more."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail or _DETAILS.get(status, ""),
    }
    return Answer(status, safe_json(document), PROBLEM, headers, reason)


def retry_later(status: int, seconds: int, reason: str = "") -> Answer:
    """429 or 503 with Retry-After."""
    return problem(status, (b"retry-after", b"%d" % seconds), reason=reason)


def safe_json(value: Any) -> bytes:
    """JSON in ASCII without a character that could begin a tag."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").encode()


def text_answer(text: str) -> Answer:
    return Answer(200, text.encode(), TEXT)


def json_answer(value: Any) -> Answer:
    return Answer(200, safe_json(value), JSON)
