"""What tests of several floors share: a clock that only moves when told, and a small hub of store, registry and worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from hub.engine.going_on import GoingOn
from hub.engine.registry import Registry
from hub.engine.starting import start_request
from hub.engine.surroundings import Surroundings
from hub.engine.worker import Worker
from hub.engine.workflow import Workflow
from hub.model.clock import SystemClock
from hub.model.execution import ExecutionRecord, Status
from hub.model.identity import MachineUser, by_namespace
from hub.store import Store, open_store
from hub.store.databases import Database
from hub.store.verbs import Probe, no_probe
from hub.targets.job_client import job_client

NOON = 1_790_000_000_000
#: What has not come about after so many seconds never does, also on a slow machine with much else to do.
PATIENCE = 60.0


class FakeClock:
    """Time stands still. Whoever sleeps takes it along."""

    def __init__(self, now: int = NOON) -> None:
        self.ms = now
        self.slept: list[float] = []

    def now(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


class StillClock(FakeClock):
    """Time stands still also for those who sleep: only a test moves it."""

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.Event().wait()


class Bench:
    """A store and a worker. Nothing happens unless a test says so."""

    def __init__(
        self,
        url: str,
        workflows: Iterable[Workflow[Any, Any]],
        *,
        clock: FakeClock | None = None,
        users: Iterable[MachineUser] = (),
        env: Mapping[str, Any] | None = None,
        node: str = "node-1",
        probe: Probe = no_probe,
        inline: bool = False,
        databases: Mapping[str, Database] | None = None,
    ) -> None:
        self.clock = clock or FakeClock()
        self.node = node
        self.store: Store = open_store(url, self.clock, probe=probe, inline=inline, checkpoints=False)
        self.registry = Registry(workflows)
        self.surroundings = Surroundings(
            env=env or {}, machine_users=by_namespace(users), databases=databases or {}, http=job_client
        )
        self.worker = Worker(self.store, self.registry, self.surroundings, self.clock, node)

    @property
    def going_on(self) -> GoingOn:
        return GoingOn(self.store, self.registry, self.clock)

    def redefine(self, *workflows: Workflow[Any, Any]) -> None:
        """The files were changed."""
        self.registry = Registry(workflows)
        self.worker.replace(self.registry, self.surroundings)

    async def start(
        self, workflow: str, args: Any = None, *, invoker: MachineUser | None = None, key: str | None = None
    ) -> str:
        request = start_request(
            self.registry,
            self.surroundings,
            self.clock,
            workflow=workflow,
            args=args,
            invoker=invoker,
            requested_by="test",
            idempotency_key=key,
        )
        return (await self.store.start(request)).id

    async def work(self) -> None:
        """Until nothing is due and nothing runs."""
        await work_off(self.worker)

    async def record(self, execution_id: str) -> ExecutionRecord:
        found = await self.store.execution(execution_id)
        assert found is not None
        return found

    async def run(self, workflow: str, args: Any = None, **how: Any) -> ExecutionRecord:
        """Start it, work until everything has come to rest, and look at it."""
        execution_id = await self.start(workflow, args, **how)
        await self.work()
        return await self.record(execution_id)

    async def succeed(self, workflow: str, args: Any = None, **how: Any) -> Any:
        """Run it to its result."""
        record = await self.run(workflow, args, **how)
        assert record.status is Status.SUCCESS, record.error
        return record.result

    async def close(self) -> None:
        await self.worker.drain(0)
        await self.store.close()


def play(story: Callable[[Bench], Awaitable[Any]], bench: Callable[[], Bench]) -> Any:
    """Run a story on a bench of its own, in a loop of its own."""

    async def whole() -> Any:
        made = bench()
        try:
            return await story(made)
        finally:
            await made.close()

    return asyncio.run(whole())


def play_on_store(url: str, story: Callable[[Store, FakeClock], Awaitable[None]]) -> None:
    """Run a story on a store alone, with a clock that it moves, in a loop of its own."""

    async def whole() -> None:
        clock = FakeClock()
        store = open_store(url, clock)
        try:
            await story(store, clock)
        finally:
            await store.close()

    asyncio.run(whole())


def unbalanced(url: str) -> list[str]:
    """What does not add up in the books of a store that nobody works on any more: whatever a test did, nothing may."""

    async def look() -> list[str]:
        store = open_store(url, SystemClock(), inline=True, checkpoints=False)
        try:
            return [f"{one.object}: {one.reason}" for one in (await store.books(0)).findings]
        finally:
            await store.close()

    return asyncio.run(look())


async def work_off(worker: Worker) -> None:
    """Until nothing is due and nothing runs."""
    ran = 0
    # What ended while it looked may have made room for what it did not find.
    while await worker.run_once() or worker.running or ran:
        ran = worker.running
        if tasks := worker.runs.tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0)


async def until(ready: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Until something that happens in a thread, or in its own time, has happened."""
    async with asyncio.timeout(seconds):
        while not ready():  # noqa: ASYNC110 - what it waits for may know no loop
            await asyncio.sleep(0.001)


def of(record: ExecutionRecord, path: str) -> Any:
    """One job of an execution, by its path."""
    found = {call.path: call for call in record.jobs}
    assert path in found, sorted(found)
    return found[path]
