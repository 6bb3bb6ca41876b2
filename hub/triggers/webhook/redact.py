"""Headers and query parameters as they are stored: without anything that could be used again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from hub.triggers.webhook.request import MOST_PARAMETERS

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(
    r"authorization|cookie|signature|token|secret|password|passwd|api-?key|access-?key|hmac|credential|session|\bauth\b|jwt|verification"
)
_SECRET_PARAMETER = re.compile(r"token|secret|password|signature|\bsig\b|\bcode\b|\bkey\b|api_?key|auth", re.IGNORECASE)


def stored_headers(headers: Iterable[tuple[bytes, bytes]], own: frozenset[bytes]) -> dict[str, Any]:
    """Lower-case names; a repeated header is a list. `own` are the names that the endpoint's credential stands in."""
    stored: dict[str, Any] = {}
    for raw_name, raw_value in headers:
        lower = raw_name.lower()
        name = lower.decode("latin-1")
        value = REDACTED if lower in own or _is_secret(name) else raw_value.strip(b" \t").decode("latin-1")
        if name not in stored:
            stored[name] = value
        elif isinstance(stored[name], list):
            stored[name].append(value)
        else:
            stored[name] = [stored[name], value]
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


_known: dict[str, bool] = {}
_MOST_KNOWN = 1_000


def _is_secret(name: str) -> bool:
    """Whether a header's name says that its value is a credential. Senders use the same few names over and over."""
    found = _known.get(name)
    if found is None:
        found = _SECRET_NAME.search(name) is not None
        if len(_known) < _MOST_KNOWN:
            _known[name] = found
    return found
