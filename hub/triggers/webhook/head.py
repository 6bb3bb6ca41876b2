"""What the head of a request says, before its body is read: where it goes, how long it is, and of what kind."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any

from hub.triggers.webhook.answer import Answer, problem
from hub.triggers.webhook.body import is_json_type, media_type
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.request import MOST_PARAMETERS, RawRequest

Scope = MutableMapping[str, Any]

_CLOSE = (b"connection", b"close")
#: Where no list says otherwise, beside JSON: what can be read without guessing.
_READABLE = frozenset({"application/x-www-form-urlencoded", "text/plain"})


def route(path: str) -> tuple[str, str | None]:
    """Executor and token of `/webhooks/{executor}[/{token}]`; the executor is "" for anything else."""
    _, prefix, rest = path.partition("/webhooks/")
    name, slash, token = rest.partition("/")
    if path.startswith(prefix) and prefix and "/" not in token:
        return name, token if slash else None
    return "", None


def received_url(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return (raw + b"?" + query if query else raw).decode("latin-1")


def check_head(endpoint: Endpoint, request: RawRequest) -> tuple[str | None, Answer | None]:
    """The media type, and an answer when the request is turned away before its body is read."""
    for length in request.values(b"content-length"):
        if not length.isdigit():
            return None, problem(400, reason="its content-length is no number")
        if int(length[:20]) > endpoint.max_body:
            return None, problem(413, reason=f"its body has more than {endpoint.max_body:,} bytes: see limits.body")
    for encoding in request.values(b"content-encoding"):
        if encoding.lower() not in (b"", b"identity"):
            return None, problem(415, reason="its body is compressed, and nothing is unpacked here")
    named = request.values(b"content-type")
    kind = _media_type(named[0]) if named else ""
    if len(named) > 1 and len({_media_type(value) for value in named}) > 1:
        return None, problem(415, reason="it has two content types")
    if kind and not takes(endpoint, kind) and request.method not in ("GET", "OPTIONS"):
        return None, problem(415, reason=_untaken(endpoint, kind))
    if request.url.count("&") >= MOST_PARAMETERS:
        return None, problem(400, reason=f"its address has more than {MOST_PARAMETERS} parameters")
    return kind or None, None


_KIND = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}")
#: Senders name the same few types over and over.
_media_type = lru_cache(maxsize=256)(media_type)


def takes(endpoint: Endpoint, kind: str) -> bool:
    """Whether bodies of a media type are taken."""
    if endpoint.content_types:
        return kind in endpoint.content_types or (
            kind.endswith("+json") and "application/json" in endpoint.content_types
        )
    return kind in _READABLE or is_json_type(kind)


def _untaken(endpoint: Endpoint, kind: str) -> str:
    taken = ", ".join(sorted(endpoint.content_types)) or f"JSON, {', '.join(sorted(_READABLE))}"
    shown = kind if _KIND.fullmatch(kind) else "of no kind"
    return f"its content type is {shown}, and what is taken is {taken}: have the sender change it, or see limits.content_types"


def unread(scope: Scope, answer: Answer) -> Answer:
    """The same answer; the connection ends with it when a body is still on its way."""
    if scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return answer
    return Answer(answer.status, answer.body, answer.content_type, (*answer.headers, _CLOSE), answer.reason)
