"""Rows that come in a flood are written as if all were new, until one is not.

Looking first whether a row's keys are taken costs PostgreSQL as much as the keys' entries themselves, and a round trip before the
commit. A plain insert fails where a key is taken, with all of its transaction and a line in the server's log. So only many rows
together are hoped of, and for a while after one was not new, all are looked at again.
"""

from __future__ import annotations

import time

#: With fewer rows there is little to gain.
_FLOOD = 8
#: Seconds without hope.
_RESTS = 10.0
#: unique_violation: https://www.postgresql.org/docs/current/errcodes-appendix.html
TAKEN = "23505"


class Hope:
    """Of one connection."""

    def __init__(self) -> None:
        self._again = 0.0

    def holds(self, rows: int) -> bool:
        """Whether so many rows are likely to be all new."""
        return rows >= _FLOOD and time.monotonic() >= self._again

    def lost(self) -> None:
        """One was not."""
        self._again = time.monotonic() + _RESTS
