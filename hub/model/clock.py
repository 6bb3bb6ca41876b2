"""Time comes in by the door: everything above takes a `Clock`, and only this file reads the real one."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

#: Linux has one that goes on while the machine is suspended.
_GROWING: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """What the hub knows of time."""

    def now(self) -> int:
        """Wall-clock milliseconds since 1970-01-01 UTC. For records and schedules; it may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow, also while the machine is suspended. For leases and deadlines."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait without blocking the loop."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.clock_gettime(_GROWING)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def iso(ms: int) -> str:
    """ISO 8601 in UTC with milliseconds: `2026-03-29T00:59:59.999Z`."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_or_none(ms: int | None) -> str | None:
    return None if ms is None else iso(ms)


def from_iso(text: str) -> int:
    """Milliseconds from an ISO 8601 text; one without an offset is read as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
#: Five bits of each byte.
_CROCKFORD = (_ALPHABET * 8).encode()

#: Random halves that nobody has used yet: the system is asked for many at once. A fork begins without.
_random: deque[str] = deque()
os.register_at_fork(after_in_child=_random.clear)


def new_id(now: int) -> str:
    """A new identifier: 26 characters (ULID), sorted by time, 80 random bits, safe across forks and nodes."""
    try:
        random = _random.pop()
    except IndexError:
        text = os.urandom(16 * 256).translate(_CROCKFORD).decode()
        _random.extend(text[start : start + 16] for start in range(16, len(text), 16))
        random = text[:16]
    return _moment(now) + random


@lru_cache(maxsize=64)
def _moment(now: int) -> str:
    """The first ten characters of an identifier. Many are made in the same millisecond."""
    return "".join([_ALPHABET[(now >> shift) & 31] for shift in range(45, -1, -5)])


def first_id(moment: int) -> str:
    """An identifier before every one that is made at `moment` or later, and behind every earlier one."""
    return _moment(moment) + "0" * 16
