"""What slows down those who guess: wrong tries are counted by where they come from, and by whom they are about.

Whoever has shown lately, from the same address, that they are who they say is not kept out by others who guess about them.
All nodes count together, and a restart forgives nothing: the counts are in the store. A node goes by what it knows itself and
by what it has read in the last two seconds, so that guesses at several nodes at once get a few more tries, once.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Protocol

from hub.identity.opaque import digest_of
from hub.model.clock import Clock
from hub.model.counted import counted
from hub.model.errors import TooManyTries
from hub.store.tries import RightTry, WrongTry

log = logging.getLogger(__name__)

#: Wrong tries that are free, from one address and about one name; then one more every so many milliseconds.
FROM_ADDRESS, ABOUT_NAME = 100, 20
_BACK_AFTER = 3_000
_MOST_KEPT = 20_000
_KNOWN_FOR = 86_400_000
_SAY_EVERY = 60.0
#: So long what was read of the store is gone by, in seconds.
_LOOK_EVERY = 2.0


class Shared(Protocol):
    """Where all nodes count."""

    async def tries(self, digests: Sequence[str]) -> Mapping[str, int]: ...

    def wrong_try(self, key: int, tried: WrongTry) -> None: ...

    def right_try(self, tried: RightTry) -> None: ...


class Throttle:
    """A flood of addresses pushes out what is known of the oldest ones; the store still has it."""

    def __init__(self, clock: Clock, shared: Shared | None = None) -> None:
        """Without `shared` it counts for itself alone, and until it ends."""
        self._clock = clock
        self._shared = shared
        #: Digest of what is counted -> the instant at which all of it is forgotten; of who was right, from where -> until when.
        self._free_at: OrderedDict[str, int] = OrderedDict()
        #: Digest -> when the store was asked.
        self._read: OrderedDict[str, float] = OrderedDict()
        self._numbers = count()
        self._said = float("-inf")
        self._unsaid = 0

    async def admit(self, address: str, name: str) -> None:
        """Raise TooManyTries when there were too many. Ask before anything is compared."""
        place, about, known = _address_key(address), _name_key(name), _known_key(address, name)
        await self._refresh([place, about, known] if name else [place])
        wait = self._wait(place, FROM_ADDRESS)
        if name and self._free_at.get(known, 0) <= self._clock.now():
            wait = max(wait, self._wait(about, ABOUT_NAME))
        if wait > 0:
            self._warn(address)
            raise TooManyTries(max(1, -(-wait // 1000)))

    def failed(self, address: str, name: str) -> None:
        """Count a wrong try."""
        self._count(_address_key(address), FROM_ADDRESS)
        if name:
            self._count(_name_key(name), ABOUT_NAME)
        self._warn(address)

    def succeeded(self, address: str, name: str) -> None:
        """Forgive the address its wrong tries; for a day, what others guess about the name does not keep it out."""
        known, until = _known_key(address, name), self._clock.now() + _KNOWN_FOR
        forgiven = self._free_at.pop(_address_key(address), None) is not None
        news = self._free_at.get(known, 0) < until - _KNOWN_FOR // 24
        if news:
            self._keep(known, until)
        if (news or forgiven) and self._shared is not None:
            self._shared.right_try(RightTry(known, until, _address_key(address)))

    async def _refresh(self, digests: Sequence[str]) -> None:
        """Read what other nodes have counted, unless that was done a moment ago."""
        if self._shared is None:
            return
        now = self._clock.monotonic()
        old = [one for one in digests if now - self._read.get(one, float("-inf")) >= _LOOK_EVERY]
        if not old:
            return
        found = await self._shared.tries(old)
        for one in old:
            self._read[one] = now
            self._read.move_to_end(one)
            if one in found:
                self._keep(one, max(found[one], self._free_at.get(one, 0)))
        while len(self._read) > _MOST_KEPT:
            self._read.popitem(last=False)

    def _wait(self, digest: str, most: int) -> int:
        """Milliseconds until one more try is free. What is farther ahead than it can be was counted by another clock."""
        ahead = self._free_at.get(digest, 0) - self._clock.now()
        return max(0, ahead - (most - 1) * _BACK_AFTER) if ahead <= (most + 1) * _BACK_AFTER else 0

    def _count(self, digest: str, most: int) -> None:
        now = self._clock.now()
        before = self._free_at.get(digest, 0)
        before = before if now < before <= now + (most + 1) * _BACK_AFTER else now
        self._keep(digest, min(before + _BACK_AFTER, now + most * _BACK_AFTER))
        if self._shared is not None:
            self._shared.wrong_try(next(self._numbers), WrongTry(digest, now, _BACK_AFTER, most * _BACK_AFTER))

    def _keep(self, digest: str, free_at: int) -> None:
        self._free_at[digest] = free_at
        self._free_at.move_to_end(digest)
        if len(self._free_at) > _MOST_KEPT:
            self._free_at.popitem(last=False)

    def _warn(self, address: str) -> None:
        """Log wrong tries, at most once a minute."""
        now = self._clock.monotonic()
        self._unsaid += 1
        if now - self._said >= _SAY_EVERY:
            log.warning("%s in the last minute, the last from %s", counted(self._unsaid, "wrong credential"), address)
            self._said, self._unsaid = now, 0


def _address_key(address: str) -> str:
    return digest_of(f"from\0{address}")


def _name_key(name: str) -> str:
    return digest_of(f"about\0{name}")


def _known_key(address: str, name: str) -> str:
    return digest_of(f"known\0{address}\0{name}")
