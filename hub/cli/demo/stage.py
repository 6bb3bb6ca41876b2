"""All that the demo plays with: the project's copy, its server, the world outside, and eyes on the store."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from hub.assembly.files import read_files
from hub.assembly.parts import Parts, open_parts
from hub.cli.demo.example import SECRET_NAME, SYNC, lay_out, statements
from hub.cli.demo.ledger import Ledger
from hub.cli.demo.server import Server, free_port
from hub.cli.demo.slots import ShownSlot, choose, make_due, make_known
from hub.cli.demo.supplier import Supplier
from hub.cli.demo.telling import Telling
from hub.client import Client
from hub.model.clock import SystemClock
from hub.model.errors import ConfigError, HubError
from hub.model.event import Delivery
from hub.model.execution import ENDED, ExecutionRecord, JobStatus
from hub.store.databases import Database

T = TypeVar("T")

#: How long anything may take before the demo gives up, in seconds.
_PATIENCE = 20.0
_LOOK_AGAIN = 0.03


class DemoFailed(HubError):
    """Something did not come, and the demo cannot go on."""


@dataclass(slots=True)
class Stage:
    """What the acts of the story share."""

    folder: Path
    parts: Parts
    server: Server
    supplier: Supplier
    #: What GitHub and the hub share.
    secret: str
    slot: ShownSlot
    telling: Telling
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def client(self) -> Client:
        return self.parts.client

    @property
    def shop(self) -> Database:
        return self.parts.surroundings.databases["shop"]

    def apply_shop_sql(self) -> None:
        self.run_sql(*statements((self.folder / "config/shop.sql").read_text(encoding="utf-8")))

    def run_sql(self, *texts: str) -> None:
        """Change the shop, in one transaction."""
        with self.shop.transaction() as shop:
            for text in texts:
                shop.run(text)

    def keep_secret(self) -> None:
        """Leave the secret where a kept project finds it."""
        path = self.folder / "config/secrets.yaml"
        path.touch(mode=0o600)
        path.write_text(f"{SECRET_NAME}: {json.dumps(self.secret)}\n", encoding="utf-8")

    async def start_server(self) -> int:
        """Answering when it returns; how many milliseconds that took."""
        began = self.parts.clock.monotonic()
        self.server.start()

        async def answers() -> bool | None:
            return await asyncio.to_thread(self.server.answers) or None

        await self.until(answers, "the server's answer")
        return round((self.parts.clock.monotonic() - began) * 1000)

    async def until(self, ask: Callable[[], Awaitable[T | None]], what: str) -> T:
        """The first answer that is not None. Raises DemoFailed when it does not come."""
        clock = self.parts.clock
        deadline = clock.monotonic() + _PATIENCE
        while (found := await ask()) is None:
            if not self.server.alive:
                raise DemoFailed(f"the server has ended by itself while {what} was awaited. See {self.server.log}.")
            if clock.monotonic() > deadline:
                raise DemoFailed(f"{what} did not come within {_PATIENCE:.0f} s. See {self.server.log}.")
            await clock.sleep(_LOOK_AGAIN)
        return found

    async def delivery(self, executor: str, event_id: str) -> Delivery:
        """What became of an event at an executor."""

        async def ask() -> Delivery | None:
            _, deliveries = await self.client.event(event_id)
            return next((one for one in deliveries if one.executor == executor), None)

        return await self.until(ask, f"the delivery of event {event_id}")

    async def follow(self, execution_id: str, known: Iterable[str] = ()) -> ExecutionRecord:
        """Tell of each job that is done, until the execution has ended. `known`: paths of those that were done before."""
        told = set(known)

        async def ask() -> ExecutionRecord | None:
            record = await self.client.execution(execution_id)
            done = [job for job in record.jobs if job.status is JobStatus.SUCCESS and job.path not in told]
            for job in sorted(done, key=lambda job: job.finished_at or 0):
                told.add(job.path)
                self.telling.good(f"{job.path}  {(job.finished_at or 0) - job.started_at} ms")
            return record if record.status in ENDED else None

        return await self.until(ask, f"the end of execution {execution_id}")

    async def url(self, executor: str) -> str:
        """Where a webhook executor is called."""
        return next(str(row["url"]) for row in await self.client.webhooks() if row["executor"] == executor)


@asynccontextmanager
async def staged(root: Path, folder: Path, how: str, telling: Telling) -> AsyncIterator[Stage]:
    """The example at `root` copied to `folder`, with nothing running yet. Whatever was started is ended afterwards."""
    clock, supplier, port = SystemClock(), Supplier(), free_port()
    supplier.start()
    try:
        lay_out(root, folder, port=port, catalogue_url=supplier.url)
        slot = choose(clock.now(), how)
        if slot is not None:
            make_due(folder, slot)
        secret = secrets.token_hex(32)
        files = read_files(folder, {**os.environ, SECRET_NAME: secret})
        if files.problems:
            raise ConfigError(files.problems)
        parts = await open_parts(files, clock=clock)
        server = Server(folder, port, {SECRET_NAME: secret})
        try:
            shown = await make_known(parts, SYNC, slot)
            yield Stage(folder, parts, server, supplier, secret, shown, telling)
        finally:
            server.stop()
            await parts.close()
    finally:
        supplier.stop()
