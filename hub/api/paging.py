"""Lists, a page at a time: each page ends with an opaque cursor, after which the next one begins.

A cursor names the last thing that was seen, not a number of rows to skip: pages cost the same however far down they are, and
what is new does not move them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from hub.api.operations import Parameter
from hub.api.problems import Unreadable
from hub.client.listing import Page
from hub.model.clock import from_iso

T = TypeVar("T")

_FOREIGN_CURSOR = "the cursor is not one of this list: give back next_cursor as it came, with the same filters."
MOST = 1_000
USUAL = 50

LIMIT = Parameter(
    "limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL}, "How many of them at most."
)
CURSOR = Parameter(
    "cursor", {"type": "string", "maxLength": 600}, "`next_cursor` of the page before; without it, the first page."
)
PAGED = (LIMIT, CURSOR)
#: Of lists of what the files declare: all of it at once, unless somebody wants less.
DECLARED = (
    replace(
        LIMIT,
        schema={"type": "integer", "minimum": 1, "maximum": MOST},
        description=f"{LIMIT.description} All, when it is left out.",
    ),
    CURSOR,
)


def after(kind: str, query: Mapping[str, Any]) -> str | None:
    """What the page before ended with; None for the first page. Raises Unreadable for a cursor of another list."""
    text = query.get("cursor")
    if text is None:
        return None
    try:
        found = base64.b64decode(text, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        found = ""
    name, colon, key = found.partition(":")
    if name != kind or not colon or not key.isprintable():
        raise Unreadable(_FOREIGN_CURSOR)
    return key


def numbered(kind: str, query: Mapping[str, Any]) -> int | None:
    """The same for lists whose keys are numbers."""
    key = after(kind, query)
    if key is None:
        return None
    if not (key.isascii() and key.isdigit() and len(key) < 19):  # noqa: PLR2004 - fits 64 bits
        raise Unreadable(_FOREIGN_CURSOR)
    return int(key)


def moment(query: Mapping[str, Any], name: str) -> int | None:
    """The parameter of that name, in milliseconds. Raises Unreadable."""
    text = query.get(name)
    if text is None:
        return None
    try:
        return max(0, from_iso(text))
    except (ValueError, OverflowError):
        raise Unreadable(f"the parameter {name} is no ISO 8601 instant, such as 2026-03-29T01:00:00Z.") from None


def page(kind: str, found: Page[T], view: Callable[[T], Any]) -> dict[str, Any]:
    """A page as JSON, with the cursor of the next one."""
    cursor = None if found.last is None else base64.b64encode(f"{kind}:{found.last}".encode(), altchars=b"-_").decode()
    return {"items": [view(one) for one in found.items], "next_cursor": cursor}


def whole(rows: Sequence[Any]) -> dict[str, Any]:
    """A list that is small enough to be shown at once."""
    return {"items": list(rows), "next_cursor": None}


def declared(kind: str, rows: Sequence[Mapping[str, Any]], query: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """A page of what the files declare; `names` are the members by which the rows are sorted."""
    behind = after(kind, query)
    rest = [row for row in rows if behind is None or _sort_key(row, names) > behind.split()]
    items = rest[: query.get("limit", len(rest))]
    last = " ".join(_sort_key(items[-1], names)) if len(items) < len(rest) else None
    return page(kind, Page(items, last), dict)


def _sort_key(row: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [str(row[name]) for name in names]


def paged(item: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a page of such items."""
    return {
        "type": "object",
        "required": ["items", "next_cursor"],
        "properties": {"items": {"type": "array", "items": item}, "next_cursor": {"type": ["string", "null"]}},
    }
