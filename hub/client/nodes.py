"""The processes that serve the hub."""

from __future__ import annotations

from collections.abc import Sequence

from hub.client.verbs import Verbs
from hub.model.node import Node


class NodeVerbs(Verbs):
    """The processes that serve the hub."""

    async def nodes(self) -> tuple[list[Node], list[str]]:
        """Each of them; and a sentence for each living one that has loaded other definitions than whoever answers this."""
        self._require("node:read", "")
        found, revision = await self._store.nodes(), self._driver.revision()
        return found, differences(revision, found) if revision else []


def differences(revision: str, nodes: Sequence[Node]) -> list[str]:
    """A sentence for each living node that has loaded other definitions than these."""
    return [
        f"node {node.id} ({node.host}, process {node.pid}) has loaded other executors or workflows: "
        f"{node.revision}, and here they are {revision}."
        for node in nodes
        if node.revision and node.revision != revision and node.alive
    ]
