"""Retention: a loop that forgets what is older than config/hub.yaml says."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from hub.assembly.kept_results import ResultPruner
from hub.declare.config import Retention
from hub.model.clock import Clock
from hub.model.errors import HubError
from hub.store import Store
from hub.store.pruning import Prune

log = logging.getLogger(__name__)

#: Between two sweeps, in seconds. Within one, the next portion follows after a breath.
_SWEEP = 600.0
_BREATH = 0.05


class Pruner:
    """Goes from the oldest to the retention's edge, then rests."""

    def __init__(self, store: Store, clock: Clock, retention: Retention, results: ResultPruner | None = None) -> None:
        self._store = store
        #: What jobs left in users' databases; None: nothing.
        self._results = results
        self._clock = clock
        self._retention = retention
        self._events_after = ""
        self._executions_after = ""

    async def run_once(self) -> int:
        """One portion; how many events and executions were forgotten."""
        now = self._clock.now()
        pruned = await self._store.prune(
            Prune(
                events_before=now - self._retention.events,
                executions_before=now - self._retention.executions,
                events_after=self._events_after,
                executions_after=self._executions_after,
            )
        )
        self._events_after, self._executions_after = pruned.events_after, pruned.executions_after
        return pruned.events + pruned.executions

    @property
    def under_way(self) -> bool:
        """Whether the sweep has not reached the edge yet."""
        return bool(self._events_after or self._executions_after)

    async def serve(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self.run_once()
                if self._results is not None and not self.under_way:
                    await self._results.run_once()
            except HubError as error:
                log.warning("old entries could not be pruned, trying again: %s", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_BREATH if self.under_way else _SWEEP):
                    await stop.wait()
