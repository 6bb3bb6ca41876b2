"""A flag that one thread waits for. A lock makes one at half the cost of `threading.Event`, whose every wait makes a lock anew."""

from __future__ import annotations

import threading


class Signal:
    """Set from any thread; one thread waits and clears. Waiting clears it too, since there is one who waits."""

    def __init__(self) -> None:
        #: Held while the flag is down.
        self._down = threading.Lock()
        self._down.acquire()

    def set(self) -> None:
        try:
            self._down.release()
        except RuntimeError:  # it was set before
            return

    def is_set(self) -> bool:
        return not self._down.locked()

    def clear(self) -> None:
        self._down.acquire(blocking=False)

    def wait(self, seconds: float = -1) -> None:
        """Until it is set, or the time is up."""
        self._down.acquire(timeout=seconds)
