"""The loop over one watched database: asks cheaply whether it moved, and works only then."""

from __future__ import annotations

import asyncio

from hub.model.clock import Clock
from hub.triggers.record_events.drain import Drain
from hub.triggers.record_events.keeper import Keeper
from hub.triggers.record_events.wanted import Wanted
from hub.triggers.record_events.watched import DatabaseUnavailable, Watched

#: Where rows have just come more are likely to come: looked at so often, for so long.
_LIVELY_POLL_SECONDS = 0.005
_LIVELY_SECONDS = 1.0

_TROUBLE_SECONDS = 0.5
_UNWANTED_SECONDS = 0.5

#: Triggers can be changed without the schema's number moving (a file restored in place), so they are looked at now and then.
_CHECK_SECONDS = 3600.0


class Watching:
    """Drains when rows may have come, and checks the triggers when the schema may have changed."""

    def __init__(
        self, watched: Watched, drain: Drain, keeper: Keeper, clock: Clock, *, poll_seconds: float | None = None
    ) -> None:
        #: Why the database cannot be looked at; None: it can.
        self._away: str | None = None
        self._watched = watched
        self._drain = drain
        self._keeper = keeper
        self._clock = clock
        self._poll_seconds = watched.poll_seconds if poll_seconds is None else poll_seconds
        self._lively_until = float("-inf")
        self._rows_due = True
        self._check_due = True
        self._checked_at = clock.monotonic()

    def want(self, tables: Wanted) -> None:
        """The executors have changed: from the next look on the triggers are as they want them now."""
        if tables != self._keeper.wanted:
            self._keeper.wanted = tables
            self._check_due = True

    @property
    def is_wanted(self) -> bool:
        """Whether any executor asks of this database. What an earlier one has left in it is handed over all the same."""
        return bool(self._keeper.wanted)

    @property
    def trouble(self) -> str | None:
        """Why it is not looked at, its triggers are not kept, or nothing is handed over, for people; None: all is well."""
        return self._away or self._keeper.trouble or self._drain.trouble

    async def watch(self, stop: asyncio.Event) -> None:
        """Until `stop`. Trouble slows it down and never ends it; errors that are nobody's weather are raised."""
        while not stop.is_set():
            if await self.run_once() == 0:
                await self._watched.rest(self._pause())

    async def run_once(self) -> int:
        """One look. How many changes were handed over; while it is not 0, more may wait."""
        try:
            moved = await self._watched.moved()
        except DatabaseUnavailable as error:
            self._away = str(error)  # what may have moved is said by the next `moved` that works
            return 0
        self._rows_due |= moved.rows
        self._check_due |= moved.schema or self._clock.monotonic() - self._checked_at >= _CHECK_SECONDS
        if self._check_due:
            self._check_due = False  # it may become due again meanwhile
            await self._keeper.run_once()
            self._check_due |= self._keeper.trouble is not None
            self._checked_at = self._clock.monotonic()
        self._away = None  # not before its triggers are looked at: who hears that all is well may write at once
        if not self._rows_due:
            return 0
        handed = await self._drain.run_once()
        if handed:
            self._lively_until = self._clock.monotonic() + _LIVELY_SECONDS
        self._rows_due = handed > 0 or self._drain.trouble is not None
        return handed

    def _pause(self) -> float:
        if not self.is_wanted:
            return _UNWANTED_SECONDS
        if self.trouble is not None:
            return _TROUBLE_SECONDS
        lively = self._clock.monotonic() < self._lively_until
        return min(_LIVELY_POLL_SECONDS, self._poll_seconds) if lively else self._poll_seconds
