"""A whole installation in one loop: nodes with the hub's own worker, lease and store; a client; a foreign system."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from kit import NOON
from simulated_audit import Auditor
from simulated_client import Client
from simulated_loop import Host, SimulatedLoop, Stuck
from simulated_node import Node
from simulated_store import Database, Fates, Journal, SimulatedWriter, nobody, open_simulated_store
from simulated_target import Target
from sqlmodel import Session

from hub.engine.registry import Registry
from hub.engine.workflow import Workflow
from hub.model import clock as real_clock
from hub.store import Store
from hub.store.reads.books import books

#: Virtual seconds after which everything must have come to its end.
LONGEST = 240.0


class SimulatedClock:
    """Wall time is the loop's, and what somebody has set it to."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> int:
        return NOON + round(self._world.loop.time() * 1000) + self._world.wall_step

    def monotonic(self) -> float:
        return self._world.loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class World:
    """Everything of one run. `wrong` collects what must not have happened."""

    def __init__(
        self,
        database: Database,
        workflows: Callable[[World], Sequence[Workflow[Any, Any]]],
        fates: Fates,
        *,
        seed: int,
        single: bool,
    ) -> None:
        database.empty()
        database.serve(single=single)
        self.database = database
        self.loop = SimulatedLoop()
        self.random = random.Random(seed)
        self.wall_step = 0
        self.stepped = False
        self.clock = SimulatedClock(self)
        self.journal = Journal(self.loop)
        self.faults: list[str] = []
        self._latest = 0
        self.auditor = Auditor(database, self._latest_time, self.wrong)
        self.fates = fates
        self.target = Target(self)
        self.nodes: dict[str, Node] = {}
        self.deaths = 0
        #: When each execution was canceled, in virtual seconds.
        self.canceled: dict[str, float] = {}
        #: What the client was told, by idempotency key: the execution's id.
        self.accepted: dict[str, str] = {}
        self.registry = Registry(workflows(self))
        self.auditor.limits = [
            (name, policy.max_concurrent_executions, policy.key is not None)
            for name, workflow in self.registry.workflows.items()
            if (policy := workflow.concurrency_policy) is not None
        ]
        self._generations: defaultdict[str, int] = defaultdict(int)

    def wrong(self, what: str) -> None:
        self.faults.append(f"{self.loop.time():.3f} {what}")

    def open_store(self, host: Host) -> tuple[Store, SimulatedWriter]:
        writer = SimulatedWriter(self.database, self.loop, host, self.fates, self.journal, self.auditor)
        return open_simulated_store(self.database, writer, self.clock), writer

    def begin_node(self, place: str) -> None:
        self._generations[place] += 1
        name = f"{place}.{self._generations[place]}"
        node = self.nodes[name] = Node(self, name)
        node.begin()

    def _latest_time(self) -> int:
        """The latest that the wall clock has shown: what was decided before it was set back was decided rightly."""
        self._latest = max(self._latest, self.clock.now())
        return self._latest

    def step_the_clock(self, after: float, milliseconds: int) -> None:
        """Somebody sets the machine's clock, once."""
        self.stepped = True

        def step() -> None:
            self._latest_time()
            self.wall_step += milliseconds
            self.journal.note("clock", f"stepped by {milliseconds}")

        self.loop.call_later(after, step, context=nobody())

    def died(self, node: Node) -> None:
        self.deaths += 1
        place = node.name.partition(".")[0]
        # Outside of the dead host's context: its death must not take the restart along.
        self.loop.call_later(self.random.uniform(0.1, 0.5), self.begin_node, place, context=nobody())

    # --- what happens in it

    def play(self, story: Callable[[Client], Any], nodes: int = 1) -> World:
        """From the start until everything has ended and the client has gone."""
        asyncio.set_event_loop(self.loop)
        with identifiers_from(self.random):
            self._play(story, nodes)
        self._balance()
        return self

    def _play(self, story: Callable[[Client], Any], nodes: int) -> None:
        try:
            for number in range(nodes):
                self.begin_node(f"n{number + 1}")
            host = Host("client")
            client = Client(self, host)
            told = self.loop.begin(host, story(client))
            self.loop.run_until_complete(self._watch(client, told))
        except Stuck:
            self.wrong("nothing is left to do, and not everything has ended")
        finally:
            self.loop.sweep_up()
            self.loop.close()
            asyncio.set_event_loop(None)

    async def _watch(self, client: Client, told: asyncio.Task[Any]) -> None:
        while self.loop.time() < LONGEST:
            await asyncio.sleep(0.25)
            # Three deaths in a row, and the hub leaves it to a person: here is one.
            lost = self.database.rows("SELECT id FROM executions WHERE status = 'FAILED' AND error LIKE '%WorkerLost%'")
            for (execution,) in lost:
                await self.loop.begin(client.host, client.resume(execution))
            if lost or not told.done():
                continue
            if not self.database.rows(
                "SELECT 1 FROM executions WHERE status NOT IN ('SUCCESS', 'FAILED', 'CANCELED') LIMIT 1"
            ):
                if (error := told.exception()) is not None:
                    self.wrong(f"the client ended: {error!r}")
                return
        for row in self.database.rows(
            "SELECT id, workflow, status, owner, due_at, reason FROM executions "
            "WHERE status NOT IN ('SUCCESS', 'FAILED', 'CANCELED')"
        ):
            self.wrong(f"never finished: {row}")
        if not told.done():
            self.wrong("the client never came to its end")

    def _balance(self) -> None:
        """The books at the end."""
        stored = {row[0]: row[1:] for row in self.database.rows("SELECT id, idempotency_key, epoch FROM executions")}
        for key, execution in self.accepted.items():
            if execution not in stored:
                self.wrong(f"lost: {key} was accepted as {execution}")
            elif stored[execution][0] != key:
                self.wrong(f"{key} was answered with {execution}, which is {stored[execution][0]}")
        with Session(self.database.dialect.engine()) as session:
            for finding in books(session, self.clock.now(), 0).findings:
                self.wrong(f"the books: {finding}")
        attempts = {
            (execution, path): tries
            for execution, path, tries in self.database.rows("SELECT execution_id, path, attempts FROM checkpoints")
        }
        for (execution, path), count in self.target.count.items():
            losses = max(stored.get(execution, (None, 1))[1] - 1, 0)
            recorded = attempts.get((execution, path), 0)
            if not recorded - losses <= count <= recorded + losses:
                self.wrong(f"{path} of {execution}: {count} effects of {recorded} tries in {losses + 1} claims")

    def digest(self) -> str:
        """The same for two runs of one seed."""
        final = self.database.rows("SELECT id, status, attempts, epoch, result FROM executions ORDER BY id")
        return hashlib.sha256(repr((self.journal.entries, final, self.faults)).encode()).hexdigest()

    def statuses(self, workflow: str) -> list[tuple[str, str, str | None]]:
        return self.database.rows("SELECT id, status, result FROM executions WHERE workflow = ? ORDER BY id", workflow)


@contextlib.contextmanager
def identifiers_from(choose: random.Random) -> Iterator[None]:
    """New identifiers come from the seed, too."""
    system, real_clock.os = real_clock.os, SimpleNamespace(urandom=choose.randbytes)  # type: ignore[assignment]
    real_clock._random.clear()
    try:
        yield
    finally:
        real_clock.os = system
        real_clock._random.clear()
