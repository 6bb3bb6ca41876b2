"""What slows down those who guess: wrong tries are counted by where they come from, and by whom they are about.

Whoever has shown lately, from the same address, that they are who they say is not kept out by others who guess about them.
"""

from __future__ import annotations

import logging
from collections import OrderedDict

from hub.model.clock import Clock
from hub.model.errors import TooManyTries

log = logging.getLogger(__name__)

#: Wrong tries that are free, from one address and about one name; then one more every so many seconds.
FROM_ADDRESS, ABOUT_NAME = 100, 20
_BACK_AFTER = 3.0
_MOST_KEPT = 20_000
_KNOWN_FOR = 86_400.0
_SAY_EVERY = 60.0


class Throttle:
    """Counts in memory: a restart forgives, and a flood of addresses pushes out the oldest ones."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        #: What is counted -> (wrong tries left over, when that was).
        self._tries: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()
        #: (address, name) -> when they were right.
        self._right: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._said = float("-inf")
        self._unsaid = 0

    def admit(self, address: str, name: str) -> None:
        """Raise TooManyTries when there were too many. Ask before anything is compared."""
        wait = self._wait(("from", address), FROM_ADDRESS)
        if not self._is_known(address, name):
            wait = max(wait, self._wait(("about", name), ABOUT_NAME))
        if wait > 0:
            self._tell(address)
            raise TooManyTries(max(1, round(wait + 0.5)))

    def failed(self, address: str, name: str) -> None:
        """They were wrong."""
        self._count(("from", address))
        if name:
            self._count(("about", name))
        self._tell(address)

    def succeeded(self, address: str, name: str) -> None:
        """They were right."""
        self._right[address, name] = self._clock.monotonic()
        self._right.move_to_end((address, name))
        self._tries.pop(("from", address), None)
        if len(self._right) > _MOST_KEPT:
            self._right.popitem(last=False)

    def _is_known(self, address: str, name: str) -> bool:
        then = self._right.get((address, name))
        return then is not None and self._clock.monotonic() - then < _KNOWN_FOR

    def _wait(self, key: tuple[str, str], most: int) -> float:
        left, then = self._tries.get(key, (0.0, 0.0))
        left -= (self._clock.monotonic() - then) / _BACK_AFTER
        return (left - most + 1) * _BACK_AFTER if left > most - 1 else 0.0

    def _count(self, key: tuple[str, str]) -> None:
        now = self._clock.monotonic()
        left, then = self._tries.get(key, (0.0, now))
        self._tries[key] = (max(0.0, left - (now - then) / _BACK_AFTER) + 1, now)
        self._tries.move_to_end(key)
        if len(self._tries) > _MOST_KEPT:
            self._tries.popitem(last=False)

    def _tell(self, address: str) -> None:
        """One line a minute, however many there are."""
        now = self._clock.monotonic()
        self._unsaid += 1
        if now - self._said >= _SAY_EVERY:
            log.warning("%d wrong credentials in the last minute, the last from %s", self._unsaid, address)
            self._said, self._unsaid = now, 0
