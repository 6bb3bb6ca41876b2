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

#: A difference of so few milliseconds is left as it is: time that goes back, if only by little, is worse.
_NOT_WORTH_IT = 50


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


class SharedClock:
    """The time that several machines share, carried on by the monotonic clock between looks at it; before the first look, one's own.

    So nobody who sets a machine's clock makes anything due too early or too late there.
    """

    def __init__(self, own: Clock) -> None:
        #: The machine's.
        self.own = own
        #: The shared time at a moment of the monotonic clock.
        self._seen: tuple[int, float] | None = None

    def now(self) -> int:
        if self._seen is None:
            return self.own.now()
        shared, moment = self._seen
        return shared + round((self.own.monotonic() - moment) * 1000)

    def monotonic(self) -> float:
        return self.own.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self.own.sleep(seconds)

    def correct(self, ahead: int, within: float) -> None:
        """The shared time was found to be so many milliseconds ahead of this clock, which may be wrong by `within`."""
        if self._seen is None or abs(ahead) > _NOT_WORTH_IT + within:
            self._seen = self.now() + ahead, self.own.monotonic()

    @property
    def ahead_of_own(self) -> int:
        """Milliseconds."""
        return self.now() - self.own.now()


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
