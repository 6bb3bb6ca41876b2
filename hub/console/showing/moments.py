"""Times and durations for people. Times are milliseconds since 1970 UTC."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
_UNITS = ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (_SECOND, "s"))
_NOW = 1_000
#: Two of the next smaller unit are told as long as there are fewer of the greater one than this.
_FEW = 10


def ago(moment: int, now: int) -> str:
    """`3 min ago`, `in 2 h`, `just now`."""
    away = abs(now - moment)
    if away < _NOW:
        return "just now"
    for size, unit in _UNITS:
        if away >= size:
            told = f"{away // size} {unit}"
            return f"in {told}" if moment > now else f"{told} ago"
    raise AssertionError(away)


def lasting(ms: int) -> str:
    """A duration: `41 ms`, `1.42 s`, `3 min 4 s`, `2 d 5 h`."""
    if ms < _SECOND:
        return f"{max(ms, 0)} ms"
    if ms < _MINUTE:
        return f"{ms / _SECOND:.3g} s"
    for (size, unit), (smaller, small_unit) in itertools.pairwise(_UNITS):
        if ms >= size:
            whole, rest = divmod(ms, size)
            parts = rest // smaller
            return f"{whole} {unit} {parts} {small_unit}" if parts and whole < _FEW * _FEW else f"{whole} {unit}"
    raise AssertionError(ms)


def exactly(moment: int) -> str:
    """`2026-03-29 00:59:59.999 UTC`."""
    return f"{datetime.fromtimestamp(moment / 1000, UTC):%Y-%m-%d %H:%M:%S}.{moment % 1000:03d} UTC"


def clock_time(moment: int, now: int) -> str:
    """`12:04:31`, with the date before it when that is another day."""
    then, today = datetime.fromtimestamp(moment / 1000, UTC), datetime.fromtimestamp(now / 1000, UTC)
    return f"{then:%H:%M:%S}" if then.date() == today.date() else f"{then:%d %b %H:%M}"
