"""The main door and the side door of one server in one loop, with real sockets between them."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from api_site import bare_client, verify
from kit import PATIENCE
from test_connection import endpoint, push

from hub.api.app import create_app, machine_routes
from hub.api.connection import Patience
from hub.api.doorkeeper import Doorkeeper, Flood
from hub.api.readiness import Readiness
from hub.api.server import HttpServer, new_loop
from hub.api.side_door import SideDoor
from hub.model.clock import SharedClock, SystemClock
from hub.model.event import StoredEvent
from hub.store import Store, open_store
from hub.store.events import arrival, sent
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.intake import Intake
from hub.triggers.webhook.quick import QuickIntake

Rows = Sequence[tuple[Sequence[Any], bytes]]
Done = Callable[[Sequence[StoredEvent] | Exception], None]


@dataclass
class Both:
    """The two doors of one server, in one loop."""

    store: Store
    intake: Intake
    keeper: Doorkeeper
    #: What the side door reads when it is told to.
    files: tuple[str, Mapping[str, Endpoint]]
    port: int = 0
    #: What the side door has sent, a message each; and whether that is kept back.
    messages: list[tuple[Rows, Done]] = field(default_factory=list)
    hold: bool = False
    adopted: int = 0
    came: asyncio.Event = field(default_factory=asyncio.Event)
    back: asyncio.Event = field(default_factory=asyncio.Event)
    senders: list[Sender] = field(default_factory=list)

    def hand_in(self, rows: Rows, done: Done) -> None:
        self.messages.append((rows, done))
        self.came.set()
        if not self.hold:
            self.store.hand_in_rows(rows, done, timeout=PATIENCE)

    def keep_back(self) -> None:
        self.messages.clear()
        self.came.clear()
        self.hold = True

    def release(self) -> None:
        for rows, done in self.messages:
            self.store.hand_in_rows(rows, done, timeout=PATIENCE)


class Sender:
    """A connection that sends one delivery after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, raw: bytes) -> tuple[int, bytes]:
        self.writer.write(raw)
        return await self.answer()

    async def answer(self) -> tuple[int, bytes]:
        """Status and body."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)
        lines = head.lower().split(b"\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        return int(head[9:12]), await self.reader.readexactly(length)


@asynccontextmanager
async def doors(url: str, endpoints: Mapping[str, Endpoint], ahead: int = 0) -> AsyncIterator[Both]:
    clock = SharedClock(SystemClock())
    clock.correct(ahead, 0)
    store = open_store(url, clock)
    intake = Intake(store, clock, endpoints=endpoints)

    def hand_in(rows: Rows, done: Done) -> None:
        both.hand_in(rows, done)

    keeper = Doorkeeper(intake, hand_in, clock, "one", Flood(row=1, seconds=60))
    both = Both(
        store, intake, keeper, files=("one", {name: replace(one, rate=None) for name, one in endpoints.items()})
    )
    server = HttpServer("127.0.0.1", 0, Patience())
    server.bind()

    def adopt(connection: socket.socket, data: bytes) -> None:
        both.adopted += 1
        both.back.set()
        server.adopt(connection, data)

    ours, theirs = socket.socketpair()
    our_passage, their_passage = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    door_clock = SharedClock(SystemClock())
    door = SideDoor(
        Intake(store, door_clock), door_clock, lambda event: sent(arrival(event, door_clock.now())), lambda: both.files
    )
    serving = asyncio.create_task(door.serve(theirs, their_passage))
    await keeper.start(ours, our_passage, adopt)
    await server.start(
        create_app(intake, machine_routes(bare_client(store, clock), verify, Readiness(store, list))),
        QuickIntake(intake, partial(store.hand_in_event, timeout=PATIENCE)),
        keeper,
    )
    both.port = int(server.address.rpartition(":")[2])
    try:
        yield both
    finally:
        for sender in both.senders:
            sender.writer.close()
        assert await keeper.stop()
        await serving
        await server.stop()
        await store.close()


def play(
    story: Callable[[Both], Awaitable[None]],
    url: str = "sqlite://",
    endpoints: Mapping[str, Endpoint] | None = None,
    ahead: int = 0,
) -> None:
    async def whole() -> None:
        async with doors(url, endpoints or {"push": endpoint()}, ahead) as both:
            await story(both)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(whole())


async def arrived(both: Both, path: str = "/webhooks/push") -> Sender:
    """A sender whose connection is at the side door, after some deliveries."""
    sender = Sender(*await asyncio.open_connection("127.0.0.1", both.port))
    both.senders.append(sender)
    before = len(both.messages)
    for number in range(500):
        body = json.dumps({"warming": number, "port": sender.writer.get_extra_info("sockname")[1]}).encode()
        status, _ = await sender.ask(push(body, f"warm-{number}-{id(sender)}", path=path))
        assert status == 202
        if len(both.messages) > before:
            return sender
    raise AssertionError("it never came to the side door")
