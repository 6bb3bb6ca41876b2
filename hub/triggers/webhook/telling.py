"""Refusals in the log: the first of a kind at once, a flood of them as a number."""

from __future__ import annotations

import logging

from hub.triggers.webhook.request import Verdict

#: Seconds between two lines about the same step of the same executor.
_BETWEEN = 1.0


class Telling:
    """Counts what it does not say."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def refused(self, name: str, verdict: Verdict, seconds: float) -> None:
        """Log a refusal, or count it. `seconds` only grow."""
        said, untold = self._said.get((name, verdict.step), (-_BETWEEN, 0))
        if seconds - said < _BETWEEN:
            self._said[name, verdict.step] = (said, untold + 1)
            return
        self._said[name, verdict.step] = (seconds, 0)
        more = f" ({untold} more since the last line)" if untold else ""
        self._log.info("webhook %s: refused (%s): %s%s", name, verdict.step, verdict.reason, more)
