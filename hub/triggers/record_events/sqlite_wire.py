"""Outbox text -> the JSON values of an event. Pure; `sqlite_text` writes what is read here.

A BLOB, and text that is not UTF-8, becomes `{"$bytes": base64}`; infinity becomes `{"$number": "Infinity"}` or
`{"$number": "-Infinity"}`. A column of SQLite never holds an object, so these cannot be mistaken for data. Integers are exact to
64 bits; a reader with doubles only (JavaScript) loses digits beyond 2**53.
"""

from __future__ import annotations

import base64
import json
import math
from typing import Any


def decoded(raw: bytes) -> str:
    """Text of the database; bytes that are not UTF-8 become lone surrogates, which `record` turns into `$bytes`."""
    return raw.decode("utf-8", "surrogateescape")


def record(wire: str | None) -> dict[str, Any] | None:
    """A row: column -> JSON value. Raises ValueError when it is not what our triggers write."""
    if wire is None:
        return None
    try:
        found = json.loads(wire)
        parts = found if isinstance(found, list) else [found]
        return {column: _value(value) for part in parts for column, value in part.items()}
    except (AttributeError, RecursionError, TypeError) as error:
        raise ValueError(f"not a row: {type(error).__name__}") from None


def _value(wire: Any) -> Any:
    if wire is None or type(wire) is int:
        return wire
    if not isinstance(wire, str):
        raise ValueError(f"a value is a {type(wire).__name__}")
    tag, text = wire[:1], wire[1:]
    match tag:
        case "t":
            return text if text.isascii() else _unicode(text)
        case "r":
            return _real(float(text))
        case "x":
            return _bytes(bytes.fromhex(text))
        case _:
            raise ValueError("a value has no type")


def _unicode(text: str) -> Any:
    try:
        text.encode()
    except UnicodeEncodeError:
        return _bytes(text.encode("utf-8", "surrogateescape"))
    return text


def _real(number: float) -> Any:
    if math.isfinite(number):
        return number
    return {"$number": "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"}


def _bytes(raw: bytes) -> dict[str, str]:
    return {"$bytes": base64.b64encode(raw).decode()}
