"""The sweep: runs are stopped whose executions the store has taken from this node, by a cancel or by another node's claim."""

from __future__ import annotations

import asyncio
import logging

from hub.engine.under_way import UnderWay
from hub.engine.waking import Doubt
from hub.model.errors import HubError
from hub.store import Store

log = logging.getLogger(__name__)


class Sweeper:
    """Stops what this node does not hold any more, and wakes what waits for an answer. For one loop."""

    def __init__(self, store: Store, runs: UnderWay, doubt: Doubt) -> None:
        self._store = store
        self._runs = runs
        self._doubt = doubt
        #: Something was answered or cancelled since the last sweep began.
        self._wanted = False
        self._sweeping: asyncio.Task[None] | None = None

    async def sweep(self) -> int:
        """Take down what was cancelled, or what somebody else has by now; how many executions that were."""
        claims = {run.claimed.id: run.claimed.epoch for run in self._runs}
        lost = await self._store.lost(list(claims.items())) if claims else []
        for execution_id in lost:
            # Meanwhile it may have been claimed anew, here: that claim is not the one that was asked about.
            if (run := self._runs.under(execution_id, claims[execution_id])) is not None:
                run.lose()
        for run in self._runs:
            if run.waits.any_open:
                run.waits.wake()
        return len(lost)

    def ask_for(self, loop: asyncio.AbstractEventLoop) -> None:
        """Something was answered or cancelled: sweep soon, in this loop. From any thread."""
        if not self._wanted:
            self._wanted = True
            loop.call_soon_threadsafe(self._begin)

    def begin_in_doubt(self) -> None:
        """A run has begun: nobody was there to be stopped when a cancel came that may have been for it."""
        if self._doubt.open and not self._wanted:
            self._wanted = True
            self._begin()

    def _begin(self) -> None:
        if self._sweeping is None or self._sweeping.done():
            self._sweeping = asyncio.Task(self._sweep_while_wanted(), loop=asyncio.get_running_loop())

    async def _sweep_while_wanted(self) -> None:
        while self._wanted:
            self._wanted = False
            looked = self._doubt.look()
            try:
                if self._doubt.open:
                    # What was foretold is then committed, or never will be.
                    await self._store.flush()
                await self.sweep()
            except HubError as error:
                log.warning("what was cancelled is looked for later: %s", error)
            else:
                self._doubt.settle(looked)
