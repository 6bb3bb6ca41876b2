"""Durations as people write them: "250ms", "30s", "5m", "12h", "7d"."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s?(ms|s|m|h|d)")

_MOST_SECONDS = 1e12

DURATION_RULE = 'a number and one of ms, s, m, h, d, such as "30s"'


def milliseconds(value: str | float | timedelta) -> int:
    """A duration in whole milliseconds. A bare number is seconds, as in the rest of Python.

    Raises ValueError, with the rule in it, for anything else.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is not a duration: write {DURATION_RULE}")
    if not isinstance(value, str):
        if not 0 <= value < _MOST_SECONDS:  # also refuses NaN
            raise ValueError(f"{value!r} is not a duration: it must be zero or more seconds")
        return round(value * 1000)
    found = _DURATION.fullmatch(value.strip())
    if found is None:
        raise ValueError(f"{value!r} is not a duration: write {DURATION_RULE}")
    return round(float(found[1]) * _UNITS[found[2]])


def spoken(ms: int) -> str:
    """A duration for a person: `1500` is "1.5s", `250` is "250ms"."""
    for unit in ("d", "h", "m", "s"):
        if ms >= _UNITS[unit]:
            return f"{round(ms / _UNITS[unit], 2):g}{unit}"
    return f"{ms}ms"
