"""Nodes share what is to be dispatched: each knows which part is its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from hub.dispatch.deliver import Dispatcher
from hub.model.clock import Clock
from hub.model.errors import HubError
from hub.model.node import Node
from hub.store import Store
from hub.store.undispatched import WHOLE, Part

log = logging.getLogger(__name__)

#: How soon a node that has come or gone is noticed. Until then some events are evaluated twice, and none is dispatched twice.
_LOOK_SECONDS = 2.0


class Sharing:
    """Tells the dispatcher what it takes first, by which nodes live."""

    def __init__(self, store: Store, clock: Clock, node: str, dispatcher: Dispatcher) -> None:
        self._store = store
        self._clock = clock
        self._node = node
        self._dispatcher = dispatcher

    async def run_once(self) -> int:
        """Look which nodes live, and take a part accordingly; how many there are."""
        self._dispatcher.part = part_of(self._node, await self._store.nodes(), self._clock.now())
        return self._dispatcher.part.of

    async def serve(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self.run_once()
            except HubError as error:
                log.debug("the other nodes are looked at later: %s", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await stop.wait()


def part_of(node: str, nodes: Sequence[Node], now: int) -> Part:
    """A node's place among those whose leases hold; the whole for one that is not among them."""
    alive = sorted(one.id for one in nodes if one.lease_until > now)
    return Part(alive.index(node), len(alive)) if node in alive else WHOLE
