"""Budgets of retries: however much has failed at a target, it is asked again at a rate that it is used to.

Each retry is given a second of its target's time in which there is room for it, at once when it fails. So the moment is known
and stored, nothing is lost, and a target that comes back after an outage does not meet all who have waited for it.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict

#: Retries of a target are at most half as many as what is asked of it for the first time,
_SHARE = 0.5
#: but always as many as this in a second: few calls make no flood.
_LEAST = 10
#: The seconds over which first tries are counted.
_WINDOW = 10
#: Targets of which this is known. The one that was called longest ago is forgotten.
_MOST_TARGETS = 1_000


class Budget:
    """How many retries one target is sent in each second, which has a number: seconds since 1970."""

    def __init__(self) -> None:
        self._firsts: Counter[int] = Counter()
        #: Retries that are due in a second.
        self._booked: Counter[int] = Counter()
        #: From a second without room to a later one, between which there is none.
        self._beyond: dict[int, int] = {}
        self._room = _LEAST
        self._tidied = 0

    def count(self, now: int) -> None:
        """Something is asked of it for the first time."""
        self._firsts[now // 1000] += 1

    def book(self, due: int, now: int) -> int:
        """When a retry that would be due then is: at that moment, or in the next second that has room, evenly within it."""
        self._tidy(now // 1000)
        room = self._room_at(now // 1000)
        second = self._next(due // 1000, room)
        before = self._booked[second]
        self._booked[second] = before + 1
        return due if second == due // 1000 else second * 1000 + before * 1000 // room

    def _room_at(self, second: int) -> int:
        """Retries that a second has room for, by what was asked in the last ones."""
        firsts = sum(self._firsts[second - back] for back in range(1, _WINDOW + 1))
        room = max(_LEAST, int(firsts / _WINDOW * _SHARE))
        if room > self._room:
            self._beyond.clear()  # what was full has room again
        self._room = room
        return room

    def _next(self, second: int, room: int) -> int:
        passed = []
        while self._booked[second] >= room:
            passed.append(second)
            second = self._beyond.get(second, second + 1)
        for full in passed:
            self._beyond[full] = second
        return second

    def _tidy(self, second: int) -> None:
        if second - self._tidied < _WINDOW:
            return
        self._tidied = second
        for kept, since in ((self._firsts, second - _WINDOW), (self._booked, second), (self._beyond, second)):
            for old in [one for one in kept if one < since]:
                del kept[old]


class Budgets:
    """The budgets of all targets that this process calls. From any thread."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Budget] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, target: str, now: int) -> None:
        """A target is asked something for the first time, at a moment in milliseconds since 1970."""
        with self._lock:
            self._of(target).count(now)

    def book(self, target: str, due: int, now: int) -> int:
        """When a retry is due that would be due then, both in milliseconds since 1970; never earlier."""
        with self._lock:
            return self._of(target).book(due, now)

    def _of(self, target: str) -> Budget:
        known = self._known.get(target)
        if known is None:
            known = self._known[target] = Budget()
            if len(self._known) > _MOST_TARGETS:
                self._known.popitem(last=False)
        self._known.move_to_end(target)
        return known
