r"""JSON of PostgreSQL -> the JSON values of an event. Pure.

Values look as `to_json` writes them: timestamps in ISO 8601, those with a zone in UTC; `bytea` as `\x` and hexadecimal digits; arrays
as lists; NaN and infinities as texts. A `numeric` that a double cannot hold exactly is a text with all its digits, since most
readers (JavaScript) have doubles only; integers are exact.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

#: Python reads no more of them, on purpose.
_MOST_DIGITS = 4_000


def record(wire: str | None) -> dict[str, Any] | None:
    """A row: column -> JSON value. Raises ValueError when it is not what our triggers write."""
    if wire is None:
        return None
    try:
        found = json.loads(wire, parse_float=_number, parse_int=_integer)
    except RecursionError:
        raise ValueError("not a row: nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError(f"not a row: {type(found).__name__}")
    return found


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MOST_DIGITS else digits


def _number(digits: str) -> float | str:
    value = float(digits)
    return value if Decimal(repr(value)) == Decimal(digits) else digits
