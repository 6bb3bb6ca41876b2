"""The `response` of a file: what its senders are answered once their delivery is stored."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from hub.model.durations import milliseconds
from hub.triggers.webhook.answer import JSON, SAFETY, TEXT, Answer, safe_json
from hub.triggers.webhook.endpoint import Response

_NAME = re.compile(r"[A-Za-z0-9-]{1,80}")
#: Headers that belong to the connection, or that keep an answer harmless.
_NOT_OURS_TO_GIVE = {
    "content-length",
    "transfer-encoding",
    "connection",
    "date",
    "set-cookie",
    *(name.decode() for name, _ in SAFETY),
}
#: What a browser would run.
_LIVE_TYPES = ("html", "svg", "javascript", "xhtml")
#: What stands behind such an answer would be read as the beginning of the next one.
_WITHOUT_CONTENT = (204, 205)
#: Of what a sender can wait: the rest is for the way and for the store.
_SHARE = 0.7
_LARGEST = 1_048_576

_OPENING = "${{"


def read_response(given: Mapping[str, Any], budget: str, problem: Callable[[tuple[str, ...], str], None]) -> Response:
    """The answer of one executor. `budget` is how long its senders wait; `problem(path, message)` gathers what is wrong."""
    result = given.get("respond") == "result"
    status = given.get("status", 200 if result else 202)
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 299:  # noqa: PLR2004 - the 2xx range
        problem(
            ("response", "status"),
            "response.status must be from 200 to 299: other answers mean that it was not stored.",
        )
        status = 202
    headers = _headers(given, problem)
    content_type = headers.pop(b"content-type", None)
    body = given.get("body")
    raw = None if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    if status in _WITHOUT_CONTENT:
        if raw or result:
            problem(("response", "status"), f"an answer with status {status} has no body: use another one, or no body.")
        raw = b""
    live = raw is not None and _OPENING.encode() in raw
    if live and content_type is not None and any(word in content_type.decode().lower() for word in _LIVE_TYPES):
        problem(
            ("response", "headers"),
            "a body with expressions in it cannot be sent as something that a browser runs; use JSON, XML or plain text.",
        )
    return Response(
        status,
        None if live else raw,
        content_type or (JSON if _looks_like_json(body) else TEXT),
        tuple(headers.items()),
        template=body if live else None,
        result=result,
        deadline=milliseconds(budget) / 1_000 * _SHARE,
    )


def respond_with(response: Response, value: Any) -> Answer | None:
    """The answer whose body was evaluated to `value`; None when it is too large to be sent."""
    if isinstance(value, str):
        body, content_type = value.encode(), response.content_type
    else:
        body, content_type = safe_json(value), JSON
    return Answer(response.status, body, content_type, response.headers) if len(body) <= _LARGEST else None


def _headers(given: Mapping[str, Any], problem: Callable[[tuple[str, ...], str], None]) -> dict[bytes, bytes]:
    headers = {}
    for name, text in dict(given.get("headers", {})).items():
        if not isinstance(text, str) or not _NAME.fullmatch(str(name)) or not text.isprintable() or not text.isascii():
            problem(("response", "headers"), "response.headers must map names to texts in ASCII.")
        elif name.lower() in _NOT_OURS_TO_GIVE:
            problem(("response", "headers"), f"response.headers cannot set {name.lower()}: the hub sees to it.")
        elif _OPENING in text:
            problem(
                ("response", "headers"),
                f"response.headers are the same in every answer; {name} cannot hold ${{{{ }}}}.",
            )
        else:
            headers[str(name).lower().encode()] = text.encode()
    return headers


def _looks_like_json(body: Any) -> bool:
    """Whether a body as written is sent as JSON. What expressions put into it later does not change that."""
    if not isinstance(body, str):
        return True
    if _OPENING in body:
        return body.lstrip()[:1] in ("{", "[")
    try:
        json.loads(body)
    except ValueError:
        return False
    return True
