"""The doors that a serving hub is reached by: its address, the intake of webhooks behind it, and the side door."""

from __future__ import annotations

import asyncio
import logging

from hub.api.app import Routes, create_app
from hub.api.doorkeeper import Doorkeeper
from hub.api.server import HttpServer
from hub.assembly.exposure import exposed
from hub.assembly.files import Files
from hub.assembly.parts import Parts, operator
from hub.assembly.side_door import OpenedDoor, end_side_door, keep_side_door, state_of
from hub.assembly.webhooks import open_door
from hub.triggers.webhook.intake import Intake

log = logging.getLogger(__name__)


class Doors:
    """First `bind()`, so that a taken address is known before anything begins; then `open()`; at the end `close()`."""

    def __init__(self, parts: Parts, host: str | None, port: int | None, side_door: OpenedDoor | None) -> None:
        """Where host or port are None, config/hub.yaml says. `side_door` is ended with the rest."""
        server = parts.config.server
        self._parts = parts
        self._host = host or server.host
        self._http = HttpServer(self._host, server.port if port is None else port)
        self._side_door = side_door
        self._doorkeeper: Doorkeeper | None = None
        self._intake: Intake | None = None
        #: By executor: what the address of its webhook ends in. Where nothing is signed, who knows it may send.
        self._tokens: dict[str, bytes] = {}

    @property
    def address(self) -> str:
        """Where it listens: `http://127.0.0.1:8700`."""
        return self._http.address

    async def bind(self) -> None:
        """Take the address. Raises Conflict when it cannot be had, or when others reach it and nobody can sign in."""
        told = await exposed(self._parts, self._host)
        self._http.bind()
        if told is not None:
            log.warning("%s", told)
        self._parts.reached.own = self.address

    async def open(self, routes: Routes) -> None:
        """Answering when it returns: webhooks, and `routes` for everybody else."""
        parts = self._parts
        await self._learn_tokens()
        intake, quick = open_door(parts, self._tokens)
        self._intake = intake
        if self._side_door is not None and parts.config.server.side_door:
            self._doorkeeper = await keep_side_door(self._side_door, parts, intake, self._http.adopt)
        await self._http.start(create_app(intake, routes), quick, self._doorkeeper)

    async def replace(self, files: Files) -> None:
        """From now on webhooks are taken in as these files say."""
        await self._learn_tokens()
        if self._intake is not None:
            self._intake.endpoints, self._intake.broken = files.endpoints, files.broken
        if self._doorkeeper is not None:
            self._doorkeeper.changed(state_of(files.root))

    async def close(self) -> None:
        """No further request is begun; those under way are answered."""
        closing = [self._http.stop()]
        if self._side_door is not None:
            closing.append(end_side_door(self._side_door, self._doorkeeper))
        await asyncio.gather(*closing)

    async def _learn_tokens(self) -> None:
        for webhook in await self._parts.client.acting_as(operator()).webhooks():
            self._tokens[webhook["executor"]] = webhook["url"].rpartition("/")[2].encode()
