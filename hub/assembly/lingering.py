"""Says in the log when somebody's transaction keeps the database from clearing away what the hub has deleted."""

from __future__ import annotations

import asyncio
import logging

from hub.model.durations import spoken
from hub.model.errors import HubError
from hub.store import Store

log = logging.getLogger(__name__)

#: Somebody's report, or a dump, takes minutes: what is open for longer was mostly forgotten.
LONG_SECONDS = 300.0
_LOOK_SECONDS = 30.0


class Lingering:
    """Looks twice a minute. Each transaction is told once, and again after as long a time as it was open then."""

    def __init__(self, store: Store, *, long: float = LONG_SECONDS) -> None:
        self._store = store
        self._long = long
        #: Whose was told, and from how many seconds on it is told again; None: nobody's.
        self._told: tuple[str, float] | None = None

    async def run_once(self) -> int:
        """Whether there was something to tell: 1 or 0."""
        oldest = await self._store.oldest_transaction()
        if oldest is None or oldest.seconds < self._long:
            if self._told is not None:
                log.info("the transaction of %s has ended.", self._told[0])
            self._told = None
            return 0
        if self._told is not None and self._told[0] == oldest.who and oldest.seconds < self._told[1]:
            return 0
        self._told = oldest.who, oldest.seconds + max(oldest.seconds, LONG_SECONDS)
        log.warning(
            "a transaction has been open in the hub's database for %s (%s). Until it ends, PostgreSQL clears nothing away that the hub "
            "has deleted: tables grow, and everything gets slower. End it there, or by %s.",
            spoken(int(oldest.seconds) * 1000),
            oldest.who,
            oldest.ending,
        )
        return 1

    async def serve(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self.run_once()
            except HubError as error:
                log.debug("open transactions are looked for later: %s", error)
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await stop.wait()
            except TimeoutError:
                continue
