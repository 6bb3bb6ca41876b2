"""Refused requests: answered, told to the log, and kept, so that somebody can look at them later."""

from __future__ import annotations

import logging
from collections.abc import Callable

from hub.model.clock import Clock
from hub.triggers.webhook.answer import Answer, problem
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.request import RawRequest, Verdict

log = logging.getLogger(__name__)

#: Seconds between two lines about the same step of the same executor.
_BETWEEN = 1.0
#: What a sender is asked for, by the type of the scheme (RFC 9110, 11.6.1).
_CHALLENGES = {"basic": b'Basic realm="hub"', "bearer": b"Bearer", "jwt": b"Bearer"}


class Refusals:
    """Of one intake. In the log the first of a kind stands at once, and a flood of them as a number."""

    def __init__(self, clock: Clock, keep: Callable[[str, Verdict, RawRequest], None] | None) -> None:
        """`keep(executor, verdict, request)` may not block."""
        self._clock = clock
        self._keep = keep
        #: When a step of an executor was told of, and how many were not since.
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def answer(self, endpoint: Endpoint, verdict: Verdict, request: RawRequest) -> Answer:
        """The answer to a credential that does not hold."""
        self.note(endpoint, verdict, request)
        challenge = _CHALLENGES.get(endpoint.scheme.type)
        return problem(401, *([(b"www-authenticate", challenge)] if challenge else []))

    def note(self, endpoint: Endpoint, verdict: Verdict, request: RawRequest) -> None:
        """Tell of a refusal and keep it; the caller answers."""
        self._tell(endpoint.name, verdict)
        if self._keep is not None:
            try:
                self._keep(endpoint.name, verdict, request)
            except Exception:
                log.exception("a refused webhook could not be kept")

    def _tell(self, name: str, verdict: Verdict) -> None:
        seconds = self._clock.monotonic()
        said, untold = self._said.get((name, verdict.step), (-_BETWEEN, 0))
        if seconds - said < _BETWEEN:
            self._said[name, verdict.step] = (said, untold + 1)
            return
        self._said[name, verdict.step] = (seconds, 0)
        more = f" ({untold} more since the last line)" if untold else ""
        log.info("webhook %s: refused (%s): %s%s", name, verdict.step, verdict.reason, more)
