"""The repository's own project as a hub, put together by hand: its executors and workflows, with databases in a test's folder.

Run as a program it is a hub that dies: `python shop_hub.py FOLDER MOMENT N` works on what is due, and kills itself with SIGKILL
before or after the N-th commit that holds a finished job.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self

from hub.declare.project import load_project
from hub.dispatch.deciding import Rules
from hub.dispatch.deliver import Dispatcher
from hub.dispatch.match import Bindings
from hub.engine.discover import discover
from hub.engine.lease import Lease
from hub.engine.surroundings import Surroundings
from hub.engine.waking import Waker
from hub.engine.worker import Worker
from hub.expressions import Evaluator
from hub.model.clock import SystemClock
from hub.model.event import Delivery, NewEvent
from hub.model.execution import ENDED, ExecutionRecord, Status
from hub.store import open_store
from hub.store.databases import Database
from hub.store.verbs import Probe, no_probe

ROOT = Path(__file__).parents[2]
SECRETS = {"GITHUB_WEBHOOK_SECRET": "kept-by-github-and-the-hub-alone"}
KILLED = -signal.SIGKILL


class Impatient(SystemClock):
    """The machine's clock; waits between tries take no time."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0))


class ShopHub:
    """Dispatch and one worker over the project's files. Used as `async with ShopHub(folder) as hub`."""

    def __init__(
        self,
        folder: Path,
        *,
        env: Mapping[str, Any] | None = None,
        working: bool = True,
        probe: Probe = no_probe,
    ) -> None:
        self.folder = folder
        self.clock = Impatient()
        self._working = working
        self._probe = probe
        self._env = env or {}

    async def __aenter__(self) -> Self:
        project = load_project(ROOT, SECRETS)
        assert project.config is not None, project.problems
        self.registry = discover(ROOT).registry
        self._shop = Database("shop", f"sqlite:///{self.folder}/shop.db")
        surroundings = Surroundings(
            env={**project.config.env, **self._env},
            machine_users=project.config.auth,
            databases={"shop": self._shop},
            secret=lambda name: project.secrets.get(name).reveal(),
        )
        self.store = open_store(f"sqlite:///{self.folder}/hub.db", self.clock, probe=self._probe)
        self._evaluator = Evaluator()
        rules = Rules(Bindings(project.loaded.executors), self.registry, surroundings)
        self.dispatcher = Dispatcher(self.store, self._evaluator, self.clock, rules)
        node = f"node-{os.getpid()}"
        self.worker = Worker(self.store, self.registry, surroundings, self.clock, node)
        self._settled = Waker()
        self._settled.bind()
        self.store.listen(self._rang)
        # Nobody else works on this store: whatever was RUNNING belonged to a process that is dead, and goes on here.
        self.rescued = await Lease(self.store, self.clock, node, self.worker).take()
        self._stop = asyncio.Event()
        self._serving = asyncio.create_task(self.worker.serve(self._stop)) if self._working else None
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        self.worker.waker.ring()
        if self._serving is not None:
            await self._serving
        await self.worker.drain(5)
        await self._evaluator.close()
        await self.store.close()
        self._shop.close()

    async def happens(self, event: NewEvent) -> Delivery:
        """A trigger has noticed something: what became of it at the one executor that it concerns."""
        stored = await self.store.store_event(event)
        await self.dispatcher.run_once()
        (delivery,) = await self.store.deliveries(event_ids=[stored.id])
        return delivery

    async def ended(self, execution_id: str | None) -> ExecutionRecord:
        """The execution as people see it, when it has ended."""
        assert execution_id is not None
        async with asyncio.timeout(60):
            while (await self.record(execution_id)).status not in ENDED:
                await self._settled.wait(1)
        await self.store.flush()  # lines and marks, for which nobody waits
        return await self.record(execution_id)

    async def record(self, execution_id: str) -> ExecutionRecord:
        found = await self.store.execution(execution_id)
        assert found is not None
        return found

    async def lines(self, execution_id: str) -> list[str]:
        """What its jobs have logged."""
        return [line.message for _, line in await self.store.logs(execution_id)]

    def _rang(self, topic: str) -> None:
        if topic == "executions":
            self.worker.waker.ring()
        if topic == "settled":
            self._settled.ring()


def open_shop(folder: Path) -> None:
    """Lay out the shop's tables, as `hub init` does."""
    with closing(sqlite3.connect(folder / "shop.db")) as shop:
        shop.execute("PRAGMA synchronous=OFF")
        shop.executescript((ROOT / "config" / "shop.sql").read_text())


def shop_rows(folder: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """What stands in the shop, or what a change there gives back."""
    with closing(sqlite3.connect(folder / "shop.db")) as shop, shop:
        return shop.execute(sql, values).fetchall()


def order(folder: Path, customer: int, total: float) -> NewEvent:
    """A customer orders: a row in the shop, and the event that the shop's database trigger makes of it."""
    ((number,),) = shop_rows(
        folder, "INSERT INTO orders (customer_id, total) VALUES (?, ?) RETURNING id", customer, total
    )
    row = {"id": number, "customer_id": customer, "total": total, "status": "new"}
    return NewEvent(
        source="record:shop",
        key=f"outbox-{number}",
        type="record.created",
        time=SystemClock().now(),
        payload={"event": "created", "new": row, "old": None, "changed": sorted(row), "actor": None},
        namespace="shop",
        model="orders",
    )


def work_until_killed(folder: Path, moment: str, commit: int) -> int:
    """Another process works on what is due, and is killed before or after its `commit`-th commit of a finished job.

    Its return code: KILLED.
    """
    command = [sys.executable, __file__, str(folder), moment, str(commit)]
    return subprocess.run(command, check=False, timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT)}).returncode


def _killer(moment: str, commit: int) -> Probe:
    seen = 0

    def probe(now: str, verbs: Sequence[str]) -> None:
        nonlocal seen
        if now == moment and "checkpoint" in verbs:
            seen += 1
            if seen == commit:
                os.kill(os.getpid(), signal.SIGKILL)

    return probe


async def _main(folder: str, moment: str, commit: str) -> None:
    async with ShopHub(Path(folder), probe=_killer(moment, int(commit))) as hub:
        (due,) = await hub.store.executions(status=Status.PENDING.value)
        await hub.ended(due.id)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
