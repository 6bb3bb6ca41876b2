"""A whole installation in one loop: nodes with the hub's own worker, lease and store; a client; a foreign system."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, TypeVar

from kit import NOON
from simulated_audit import Auditor
from simulated_loop import Host, SimulatedLoop, Stuck, current_host
from simulated_store import Database, Fates, Journal, SimulatedWriter, nobody, open_simulated_store
from sqlmodel import Session

from hub import Context, Triggered
from hub.engine.lease import Lease
from hub.engine.registry import Registry
from hub.engine.starting import start_request
from hub.engine.surroundings import Surroundings
from hub.engine.worker import Worker
from hub.engine.workflow import Workflow
from hub.model import clock as real_clock
from hub.model.errors import Conflict, HubError, StoreUnavailable
from hub.model.execution import Status
from hub.store import Store
from hub.store.reads.books import books

T = TypeVar("T")

LEASE = 3.0
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


class Inline:
    """Plain jobs, at once: nothing in a simulation has a thread."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None: ...


@dataclass(frozen=True, slots=True)
class Effect:
    execution: str
    path: str
    attempt: int
    at: float
    node: str


class Target:
    """A foreign system. It looks the hub's books up, and says when a request should not have come."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.effects: list[Effect] = []
        self.count: Counter[tuple[str, str]] = Counter()
        #: Calls whose result their caller has been given.
        self._given: set[tuple[str, str]] = set()

    def __call__(self, ctx: Context) -> int:
        """One request; how many have come under this key."""
        world, host = self._world, current_host()
        execution, _, path = ctx.idempotency_key.partition("/")
        assert host is not None
        effect = Effect(execution, path, ctx.attempt, world.loop.time(), host.name)
        self.effects.append(effect)
        self.count[execution, path] += 1
        world.journal.note(host.name, f"effect {path} {ctx.attempt}")
        stored = world.database.rows(
            "SELECT status, attempts FROM checkpoints WHERE execution_id = ? AND path = ?", execution, path
        )
        if stored and stored[0][0] == "SUCCESS":
            world.wrong(f"{path} of {execution} ran again on {host.name} after its result was stored")
        if "/" in path and ctx.attempt > 1 and (not stored or stored[0][1] < ctx.attempt):
            world.wrong(f"try {ctx.attempt} of {path} began before it was counted")
        if (execution, path) in self._given:
            world.wrong(f"{path} of {execution} ran again on {host.name} after its caller had its result")
        node = world.nodes.get(host.name)
        if (
            node is not None
            and node.lease is not None
            and world.loop.time() - node.lease._renewed > LEASE * 2 / 3 + 1e-6
        ):
            world.wrong(
                f"{path} began on {host.name} {world.loop.time() - node.lease._renewed:.2f} s after its lease was renewed"
            )
        ended = world.canceled.get(execution)
        if ended is not None and effect.at - max(ended, host.thawed_at) > 1.0:
            world.wrong(f"{path} of {execution} began {effect.at - ended:.2f} s after it was canceled")
        return self.count[execution, path]

    async def given(self, call: Triggered[T]) -> T:
        """Await a call: from now on its job must never run again."""
        found = await call
        self._given.add((call._scope.run.claimed.id, call._call.path))
        return found


class Node:
    """One process of the hub, from its start to its death."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.world = world
        self.host = Host(name)
        self.store, self.writer = world.open_store(self.host)
        self.writer.on_death = lambda: world.died(self)
        self.worker: Worker | None = None
        self.lease: Lease | None = None

    def begin(self) -> None:
        self.world.loop.begin(self.host, self._life())

    async def _life(self) -> None:
        world = self.world
        try:
            self.worker = Worker(
                self.store, world.registry, Surroundings({}, {}), world.clock, self.name, threads=Inline()
            )
            self.lease = Lease(self.store, world.clock, self.name, self.worker, seconds=LEASE)
            self.store.listen(self.worker.hear)
            await self.lease.take()
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(self.lease.serve(stop))
                group.create_task(self.worker.serve(stop))
                group.create_task(self._notice_others())
        except GeneratorExit:
            raise  # it is swept up
        except BaseException as error:
            known = isinstance(error, StoreUnavailable)
            world.journal.note(self.name, f"ends: {error!r}")
            if not known:
                world.wrong(f"node {self.name} ended: {error!r}")
            self.host.die()
            world.died(self)

    async def _notice_others(self) -> None:
        """What another process has written: as the server looks at its store's change counter."""
        seen = 0
        while True:
            await asyncio.sleep(0.2)
            moved = self.world.database.changes()
            if moved != seen:
                seen = moved
                assert self.worker is not None
                self.worker.hear("answers")
                self.worker.hear("executions")


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


class Client:
    """Asks again until it has an answer, as a careful program does."""

    def __init__(self, world: World, host: Host) -> None:
        self.world = world
        self.host = host
        self.random = world.random
        self.store, self._writer = world.open_store(host)

    async def start(self, workflow: str, args: Any, key: str, *, again: bool = False) -> str:
        """Start it; `again`: repeat the request once more than needed."""
        world = self.world
        request = start_request(
            world.registry,
            Surroundings({}, {}),
            world.clock,
            workflow=workflow,
            args=args,
            invoker=None,
            requested_by="client",
            idempotency_key=key,
        )
        started = await self.until_answered(lambda: self.store.start(request))
        world.accepted[key] = started.id
        if again:
            other = replace(request, id=real_clock.new_id(world.clock.now()))
            second = await self.until_answered(lambda: self.store.start(other))
            if second.id != started.id:
                world.wrong(f"{key} was accepted twice")
        return started.id

    async def cancel(self, execution: str) -> bool:
        """Whether it was; then nothing of it may go on."""
        unsure = False
        while True:
            try:
                await self.store.cancel(execution)
            except StoreUnavailable:
                unsure = True
                await asyncio.sleep(0.1)
                continue
            except HubError:
                held = unsure and await self.status(execution) is Status.CANCELED
            else:
                held = True
            if held:
                self.world.canceled[execution] = self.world.loop.time()
            return held

    async def resume(self, execution: str) -> None:
        """Let a failed one go on. That it goes on already is as good: the first answer was lost."""
        with contextlib.suppress(Conflict):
            await self.until_answered(lambda: self.store.resume(execution))

    async def status(self, execution: str) -> Status | None:
        return await self.store.status_of(execution)

    async def ended(self, execution: str) -> Status:
        while True:
            found = await self.status(execution)
            if found in (Status.SUCCESS, Status.FAILED, Status.CANCELED):
                return found
            await asyncio.sleep(0.2)

    async def until_answered(self, ask: Callable[[], Any]) -> Any:
        while True:
            try:
                return await ask()
            except StoreUnavailable:
                await asyncio.sleep(0.1)


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
