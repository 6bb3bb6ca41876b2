"""Intake first: while webhooks come in a flood, what they start waits a little. They are stored, and nothing of it is lost."""

from __future__ import annotations

from collections.abc import Callable

from hub.model.clock import Clock

#: Deliveries a second that are no flood yet.
_CALM = 300.0
#: In a flood, dispatch rests as long as it has worked for each so many deliveries a second,
_FOR_EACH = 1_000.0
#: but never longer than that many seconds: what was accepted begins all the same.
_LONGEST = 1.0


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
        a_second = (taken - known) / max(now - then, 0.001)
        return 0.0 if a_second <= _CALM else min(worked * a_second / _FOR_EACH, _LONGEST)
