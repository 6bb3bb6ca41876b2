"""Where the hub is reached: what the addresses of webhooks and invitations begin with."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from hub.declare.config import Server
from hub.model.node import Node, address_of
from hub.store import Store


class Reached:
    """As config/hub.yaml says; else where the hub listens: in this process, or in one that serves the store beside it."""

    def __init__(self, server: Server, store: Store) -> None:
        self._server = server
        self._store = store
        #: Where this process listens, once it does.
        self.own: str | None = None

    @property
    def here(self) -> str:
        """The address as this process knows it, without asking what others have taken."""
        return self._server.public_url or self.own or address_of(self._server.host, self._server.port)

    async def __call__(self) -> str:
        """Raises StoreUnavailable."""
        if self._server.public_url or self.own:
            return self.here
        return listening(await self._store.nodes(), socket.gethostname()) or self.here


def listening(nodes: Sequence[Node], host: str) -> str | None:
    """Where one of these listens: preferably one on the machine `host`, of these the latest; None when none of them does."""
    serving = [node for node in nodes if node.alive and node.address]
    return max(serving, key=lambda node: (node.host == host, node.started_at)).address if serving else None
