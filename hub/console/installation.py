"""What the console is given: the hub that it shows, and what the process knows of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hub.api.live import Live
from hub.client import Client
from hub.console.pulse import Pulse
from hub.model.clock import Clock
from hub.model.executor import Problem
from hub.triggers.webhook.endpoint import Network


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
    #: Kind of source -> seconds that the latest event of it took until it was durable, since this process began.
    lateness: Callable[[], Mapping[str, float]]
    #: Proxies that say where a request comes from.
    trusted: tuple[Network, ...] = ()
    #: What happened in the last day.
    pulse: Pulse = field(default_factory=Pulse)

    @property
    def secure(self) -> bool:
        return self.address.startswith("https://")
