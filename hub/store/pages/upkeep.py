"""What keeps a hub going: nodes and their leases, retention."""

from __future__ import annotations

from collections.abc import Sequence

from hub.model.node import Node
from hub.store.nodes import AHEAD, ALONE, BEAT, LEAVE, LET_GO, About, Farewell, Heartbeat, LetGo
from hub.store.pages.page import Page
from hub.store.pruning import PRUNE, Prune, Pruned
from hub.store.reads import upkeep as reads


class UpkeepPage(Page):
    """What keeps a hub going: nodes and their leases, retention."""

    async def prune(self, prune: Prune) -> Pruned:
        """Forget some of what is older than its retention, and say where to go on."""
        return await self._writer.submit(PRUNE, prune)

    async def beat(self, node: str, about: About, lease_ms: int) -> int:
        """Renew a node's lease; by how many milliseconds the clock of all nodes is ahead of this one's."""
        return await self._writer.submit(BEAT, Heartbeat(node, about, self._clock.now(), lease_ms))

    async def ahead(self) -> int:
        """By how many milliseconds the clock of all nodes is ahead of this one's."""
        return await self._writer.submit(AHEAD, self._clock.now())

    async def leave(self, node: str) -> None:
        await self._writer.submit(LEAVE, Farewell(node))

    async def alone(self, node: str) -> int:
        """Forget every other node. Only for a process that knows that it is the only one."""
        return await self._writer.submit(ALONE, Farewell(node))

    async def let_go(self, node: str, known: Sequence[str]) -> int:
        """Make due what this node holds beside the executions that it knows of; how many that were."""
        return await self._writer.submit(LET_GO, LetGo(node, tuple(known), self._clock.now()))

    async def is_served(self) -> bool:
        """Whether a process serves the store: it holds a lease."""
        return await self._read(reads.is_served, self._clock.now())

    async def nodes(self) -> list[Node]:
        return await self._read(reads.nodes, self._clock.now())
