"""Headers and query parameters as they are stored: without anything that could be used again."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from hub.triggers.webhook.request import MOST_PARAMETERS, RawRequest

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(
    r"authorization|cookie|signature|token|secret|password|passwd|api-?key|access-?key|hmac|credential|session|\bauth\b|jwt|verification"
)
_SECRET_PARAMETER = re.compile(r"token|secret|password|signature|\bsig\b|\bcode\b|\bkey\b|api_?key|auth", re.IGNORECASE)


def stored_headers(request: RawRequest, own: frozenset[bytes]) -> dict[str, Any]:
    """A request's headers by lower-case name; a repeated one is a list. `own` are the names that the endpoint's credential stands in."""
    stored: dict[str, Any] = {}
    known = _known.get
    for raw_name, value in request.index.items():
        name, is_secret = known(raw_name) or _look_at(raw_name)
        stored[name] = REDACTED if is_secret or raw_name in own else value.decode("latin-1")
    for raw_name, values in request.repeated.items():
        name, is_secret = _look_at(raw_name)
        hidden = is_secret or raw_name in own
        stored[name] = [REDACTED if hidden else value.decode("latin-1") for value in values]
    return stored


def stored_query(text: str, own: frozenset[str]) -> dict[str, Any]:
    """The query's parameters; a repeated one is a list. Raises ValueError for more than 200 of them.

    NUL and undecodable bytes are replaced: no database holds them.
    """
    stored: dict[str, Any] = {}
    if not text:
        return stored
    for name, raw in parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_PARAMETERS):
        value = REDACTED if name in own or _SECRET_PARAMETER.search(name) else raw.replace("\0", "\ufffd")
        key = name.replace("\0", "\ufffd")
        if key not in stored:
            stored[key] = value
        elif isinstance(stored[key], list):
            stored[key].append(value)
        else:
            stored[key] = [stored[key], value]
    return stored


_known: dict[bytes, tuple[str, bool]] = {}
_MOST_KNOWN = 1_000


def _look_at(raw_name: bytes) -> tuple[str, bool]:
    """A header's name as text, and whether it says that its value is a credential. Senders use the same few over and over."""
    name = raw_name.decode("latin-1")
    found = (name, _SECRET_NAME.search(name) is not None)
    if len(_known) < _MOST_KNOWN:
        _known[raw_name] = found
    return found
