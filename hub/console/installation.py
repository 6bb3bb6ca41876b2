"""What the console is given: the hub that it shows, and what the process knows of itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hub.api.live import Live
from hub.client import Client
from hub.console.pulse import Pulse
from hub.model.clock import Clock
from hub.model.event import StoredEvent
from hub.model.executor import Problem
from hub.store.refused import RefusedDelivery
from hub.triggers.webhook.endpoint import Network
from hub.triggers.webhook.examine import Step


class Refusals(Protocol):
    """Refused deliveries of webhooks, for whom the client acts."""

    async def check(self, client: Client, refused: RefusedDelivery) -> Sequence[Step]:
        """Each step that it passes now, and the one that it does not. Raises BadInput or Refused."""
        ...

    async def release(self, client: Client, refused: RefusedDelivery) -> StoredEvent:
        """Make it an event. Raises BadInput when it does not hold now, or Refused."""
        ...


@dataclass(frozen=True, slots=True)
class Installation:
    """One hub."""

    client: Client
    clock: Clock
    #: The project's name.
    name: str
    #: Where people reach it: `https://hub.example.com`. With https, cookies are for https alone.
    address: str
    #: Sentences about what does not work now.
    troubles: Callable[[], Sequence[str]]
    #: What is wrong in the project's files.
    problems: Callable[[], Sequence[Problem]]
    #: Tells what changes of executions.
    live: Live
    #: Refused deliveries, held against the files as they are now.
    refusals: Refusals
    #: Proxies that say where a request comes from.
    trusted: tuple[Network, ...] = ()
    #: What happened in the last day.
    pulse: Pulse = field(default_factory=Pulse)

    @property
    def secure(self) -> bool:
        return self.address.startswith("https://")
