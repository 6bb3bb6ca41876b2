"""Intake first: while webhooks come in a flood, what they start waits a little. They are stored, and nothing of it is lost."""

from __future__ import annotations

from collections.abc import Callable

from hub.model.clock import Clock

#: Deliveries a second that are no flood yet.
_CALM = 300.0
#: In a flood, dispatch rests this many times as long as it has worked, but never longer than that many seconds.
_REST, _LONGEST = 4.0, 0.5


class Yielding:
    """Asked by the dispatcher after each batch how long it should rest."""

    def __init__(self, taken: Callable[[], int], clock: Clock) -> None:
        self._taken = taken
        self._clock = clock
        self._before = (clock.monotonic(), taken())

    def __call__(self, worked: float) -> float:
        """Seconds to rest after `worked` seconds."""
        now, taken = self._clock.monotonic(), self._taken()
        then, known = self._before
        self._before = (now, taken)
        if taken - known <= _CALM * (now - then):
            return 0.0
        return min(worked * _REST, _LONGEST)
