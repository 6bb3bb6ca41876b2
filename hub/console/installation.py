"""What the console is given: the hub that it shows, and what the process knows of itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from hub.client import Client
from hub.console.pulse import Pulse
from hub.console.streams import Streams
from hub.model.clock import Clock
from hub.model.executor import Problem
from hub.model.identity import Principal


@dataclass(frozen=True, slots=True)
class Installation:
    """One hub."""

    client: Client
    clock: Clock
    #: The project's name.
    name: str
    #: Where people reach it: `https://hub.example.com`. With https, cookies are for https alone.
    address: str
    #: Whom a session's secret stands for, with the rights that they have now; None: it is no session.
    whose: Callable[[str], Awaitable[Principal | None]]
    #: Sentences about what does not work now.
    troubles: Callable[[], Sequence[str]]
    #: What is wrong in the project's files.
    problems: Callable[[], Sequence[Problem]]
    #: What happened in the last day.
    pulse: Pulse = field(default_factory=Pulse)
    #: Pages that are kept up to date at the moment.
    streams: Streams = field(default_factory=Streams)
    #: Set when the hub stops: nobody holds a connection open any longer.
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def secure(self) -> bool:
        return self.address.startswith("https://")
