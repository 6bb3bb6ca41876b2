"""A time in which the store cannot be read: the log has a line when it begins, and one when it is over."""

from __future__ import annotations

import logging
import threading

from hub.model.clock import Clock
from hub.model.durations import spoken
from hub.model.errors import StoreUnavailable

log = logging.getLogger(__name__)


class Outage:
    """Told what becomes of every question."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        #: In monotonic seconds; None: all is well.
        self._since: float | None = None

    def refused(self, error: StoreUnavailable) -> StoreUnavailable:
        """A question that came to nothing; the error, to be raised."""
        error.said = True
        with self._lock:
            began, self._since = self._since is None, self._since or self._clock.monotonic()
        if began:
            log.warning("%s (whoever asks is told to come again, and a line says when it is read again)", error)
        return error

    def answered(self) -> None:
        if self._since is None:
            return
        with self._lock:
            since, self._since = self._since, None
        if since is not None:
            log.info("the store is read again, after %s.", spoken(round((self._clock.monotonic() - since) * 1000)))
