"""Results that jobs left in users' databases are forgotten with their executions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from hub.declare.config import Retention
from hub.model.clock import Clock, first_id
from hub.model.errors import StoreUnavailable
from hub.store import Store
from hub.store.databases import Database

log = logging.getLogger(__name__)


class ResultPruner:
    """Goes through the databases that jobs of this process work with. One that is out of reach waits for the next time."""

    def __init__(self, store: Store, databases: Mapping[str, Database], clock: Clock, retention: Retention) -> None:
        self._store = store
        self._databases = databases
        self._clock = clock
        self._retention = retention

    async def run_once(self) -> int:
        """One sweep through all of them; how many results were forgotten."""
        before = first_id(self._clock.now() - self._retention.executions)
        forgotten = 0
        for name, database in self._databases.items():
            if not database.in_use:
                continue
            try:
                forgotten += await self._sweep(database, before)
            except StoreUnavailable as error:
                log.warning("results of jobs in the database %s are not pruned now: %s", name, error)
        return forgotten

    async def _sweep(self, database: Database, before: str) -> int:
        forgotten, after = 0, ""
        while found := await asyncio.to_thread(database.executions_with_results, before, after):
            # One that failed lately, or still waits, may run the job again.
            gone = sorted(set(found) - await self._store.known_executions(found))
            if gone:
                forgotten += await asyncio.to_thread(database.forget_results, gone)
            after = found[-1]
        return forgotten
