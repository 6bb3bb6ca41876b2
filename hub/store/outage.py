"""A time in which the store cannot be used: the log has a line when it begins, and one when it is over."""

from __future__ import annotations

import logging
import threading

from hub.model.clock import Clock
from hub.model.durations import spoken

log = logging.getLogger(__name__)

#: For whoever is told that nothing can be written.
ADVICE = "Look whether its disk has room, whether another program holds it, and whether its database can be reached"


class Outage:
    """Told what becomes of every try."""

    def __init__(self, clock: Clock, used: str, meanwhile: str, *, patience: float = 0) -> None:
        """`used`: what it is after all, such as "read". What is over within `patience` seconds is not told of."""
        self._clock = clock
        self._used = used
        self._meanwhile = meanwhile
        self._patience = patience
        self._lock = threading.Lock()
        #: In monotonic seconds; None: all is well.
        self._since: float | None = None
        self._said = False

    @property
    def told(self) -> float | None:
        """For how many seconds it has lasted, once the log has its line; None: all is well."""
        with self._lock:
            return self._clock.monotonic() - self._since if self._said and self._since is not None else None

    def refused(self, error: object) -> None:
        with self._lock:
            now = self._clock.monotonic()
            self._since = now if self._since is None else self._since
            due = not self._said and now - self._since >= self._patience
            self._said = self._said or due
        if due:
            log.warning("%s (%s, and a line says when that is over)", error, self._meanwhile)

    def answered(self) -> None:
        if self._since is None:
            return
        with self._lock:
            since, said = self._since, self._said
            self._since, self._said = None, False
        if since is not None and said:
            lasted = spoken(round((self._clock.monotonic() - since) * 1000))
            log.info("the store is %s again, after %s.", self._used, lasted)
