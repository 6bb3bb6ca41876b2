"""The node's lease: one heartbeat a process, and the rescue of what dead nodes held."""

from __future__ import annotations

import asyncio
import logging
import os
import socket

from hub.engine.worker import Worker
from hub.model.clock import Clock, SharedClock
from hub.model.errors import HubError
from hub.store import Store
from hub.store.nodes import About

log = logging.getLogger(__name__)


#: A clock that is off by more than this, in milliseconds, is not believed.
_CLOCK_OFF = 2_000


def this_process(revision: str = "") -> About:
    """What other nodes are told of this one."""
    return About(socket.gethostname(), os.getpid(), revision)


class Lease:
    """Renews a node's lease, and tells its worker until when it holds."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        node: str,
        worker: Worker,
        *,
        seconds: float = 15.0,
        about: About | None = None,
        shared: SharedClock | None = None,
    ) -> None:
        """`shared`: the node's clock, to be held to the one that all nodes share."""
        self._store = store
        self._clock = clock
        self._node = node
        self._worker = worker
        self._seconds = seconds
        self.about = about or this_process()
        self._shared = shared
        self._renewed = clock.monotonic()
        #: This node's clock is far from the one that all nodes share: instants are not its to decide on.
        self.off = False

    async def take(self) -> int:
        """The first heartbeat; how many executions of earlier nodes go on. Where only one may serve, the others are gone."""
        before = await self._beat()
        if not self._store.shared:
            await self._store.alone(self._node)
        self._hold_from(before)
        return await self._store.rescue()

    async def run_once(self) -> int:
        """Renew the lease, then rescue; how many executions were rescued."""
        before = await self._beat()
        silent = self._clock.monotonic() - self._renewed
        if silent > self._seconds and self._store.shared:
            log.warning(
                "this node has said nothing for %.1f s, longer than its lease: it stood still, or did not reach the store. "
                "What it ran goes on where there is room.",
                silent,
            )
        self._hold_from(before)
        rescued = await self._store.rescue()
        if rescued:
            log.info("executions of nodes that have died or fallen silent, which go on now: %d", rescued)
        return rescued

    def _hold_from(self, moment: float) -> None:
        """It was renewed at a moment after this one. For two thirds of its length nothing is in doubt."""
        lapsed = self._clock.monotonic() - self._renewed > self._seconds
        self._renewed = moment
        self._worker.renewed(moment + self._seconds * 2 / 3, lapsed=lapsed)

    async def _beat(self) -> float:
        """When it was asked for: from then on the lease counts."""
        before = self._clock.monotonic()
        ahead = await self._store.beat(self._node, self.about, round(self._seconds * 1000))
        # The answer took its time, too.
        took = (self._clock.monotonic() - before) * 1000
        if self._shared is not None and self._store.shared:
            self._shared.correct(ahead, took)
            ahead = self._shared.ahead_of_own
        off = abs(ahead) > _CLOCK_OFF + took
        if off and not self.off:
            log.warning(
                "the clock of this machine is %.1f s off the database's: schedules do not fire here until it is right.",
                -ahead / 1000,
            )
        if self.off and not off:
            log.info("the clock of this machine is right again: schedules fire here.")
        self.off = off
        return before

    async def serve(self, stop: asyncio.Event) -> None:
        """A heartbeat each sixth of the lease. Two thirds after the last one nothing new begins here: see `Gate`."""
        beating: asyncio.Task[int] | None = None
        begun = float("-inf")
        while not stop.is_set():
            due = self._clock.monotonic() - begun >= self._seconds / 6
            if due and (beating is None or beating.done()):
                if beating is not None and not beating.cancelled() and (error := beating.exception()) is not None:
                    log.warning("the lease could not be renewed: %s", error)
                    if not isinstance(error, HubError):
                        raise error
                beating = asyncio.create_task(self.run_once())
                begun = self._clock.monotonic()
            # Looked at more often than it is renewed: a heartbeat that failed is followed by another one soon.
            try:
                async with asyncio.timeout(self._seconds / 12):
                    await stop.wait()
            except TimeoutError:
                continue
        if beating is not None:
            beating.cancel()
        await self._store.leave(self._node)
