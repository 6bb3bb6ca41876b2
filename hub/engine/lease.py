"""The node's lease: one heartbeat a process, and the rescue of what dead nodes held."""

from __future__ import annotations

import asyncio
import logging
import os
import socket

from hub.engine.worker import Worker
from hub.model.clock import Clock
from hub.model.errors import HubError
from hub.store import Store

log = logging.getLogger(__name__)


class Lease:
    """Renews a node's lease, and holds its worker back when that fails."""

    def __init__(self, store: Store, clock: Clock, node: str, worker: Worker, *, seconds: float = 15.0) -> None:
        self._store = store
        self._clock = clock
        self._node = node
        self._worker = worker
        self._seconds = seconds
        self._renewed = clock.monotonic()

    async def take(self) -> int:
        """The first heartbeat; how many executions of earlier nodes go on. Where only one may serve, the others are gone."""
        await self._store.beat(self._node, socket.gethostname(), os.getpid(), round(self._seconds * 1000))
        if not self._store.shared:
            await self._store.alone(self._node)
        self._renewed = self._clock.monotonic()
        return await self._store.rescue()

    async def run_once(self) -> int:
        """Renew the lease, then rescue; how many executions were rescued."""
        before = self._clock.monotonic()
        await self._store.beat(self._node, socket.gethostname(), os.getpid(), round(self._seconds * 1000))
        self._renewed = before
        self._worker.hold(may_claim=True)
        return await self._store.rescue()

    async def serve(self, stop: asyncio.Event) -> None:
        """A heartbeat each third of the lease. After two thirds without one, nothing new begins here."""
        beating: asyncio.Task[int] | None = None
        begun = float("-inf")
        while not stop.is_set():
            due = self._clock.monotonic() - begun >= self._seconds / 3
            if due and (beating is None or beating.done()):
                if beating is not None and not beating.cancelled() and (error := beating.exception()) is not None:
                    log.warning("the lease could not be renewed: %s", error)
                    if not isinstance(error, HubError):
                        raise error
                beating = asyncio.create_task(self.run_once())
                begun = self._clock.monotonic()
            if self._clock.monotonic() - self._renewed > self._seconds * 2 / 3:
                self._worker.hold(may_claim=False)
            # Looked at more often than the lease is renewed: two thirds are over soon after they are over.
            try:
                async with asyncio.timeout(self._seconds / 12):
                    await stop.wait()
            except TimeoutError:
                continue
        if beating is not None:
            beating.cancel()
        await self._store.leave(self._node)
