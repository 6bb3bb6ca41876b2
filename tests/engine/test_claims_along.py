"""What a process makes due is claimed by its own worker in the same transaction, while there is little to commit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from kit import Bench, until

from hub import ConcurrencyPolicy, Context, job, workflow
from hub.engine.worker import Worker
from hub.model.clock import SystemClock
from hub.store.committing import Operation

started: list[str] = []
side_by_side: list[int] = []


@job
async def count_itself(input: str, ctx: Context) -> str:
    started.append(input)
    side_by_side.append(side_by_side[-1] + 1)
    await asyncio.sleep(0.001)
    side_by_side.append(side_by_side[-1] - 1)
    return input


@job
async def meet_another(input: str, ctx: Context) -> str:
    side_by_side.append(side_by_side[-1] + 1)
    with suppress(TimeoutError):  # the test says so then
        await until(lambda: max(side_by_side) > 1)
    side_by_side.append(side_by_side[-1] - 1)
    return input


plain = workflow("plain", count_itself)
limited = workflow("limited", meet_another, concurrency_policy=ConcurrencyPolicy(max_concurrent_executions=2))


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, quick_path: Any) -> str:
    """Of stores with a writer's thread."""
    started.clear()
    side_by_side[:] = [0]
    return (
        str(request.getfixturevalue("postgres_url"))
        if request.param == "postgres"
        else f"sqlite:///{quick_path}/hub.db"
    )


def serve(url: str, story: Callable[[Bench, list[set[str]]], Awaitable[None]], *, slots: int = 100) -> None:
    """Play a story beside a worker that serves, and note the verbs of each commit."""

    async def whole() -> None:
        bench = Bench(url, [plain, limited], clock=SystemClock())  # type: ignore[arg-type]  # real time has no `advance`
        bench.worker = Worker(bench.store, bench.registry, bench.surroundings, bench.clock, bench.node, slots=slots)
        commits: list[set[str]] = []

        def witness(operations: Sequence[Operation], _seconds: float) -> None:
            commits.append({operation.verb.name for operation in operations})

        bench.store.watch(witness)
        bench.store.listen(bench.worker.hear)
        stop = asyncio.Event()
        serving = asyncio.create_task(bench.worker.serve(stop))
        await asyncio.sleep(0)
        try:
            await story(bench, commits)
        finally:
            stop.set()
            bench.worker.waker.ring()
            await serving
            await bench.close()

    asyncio.run(whole())


async def ended(bench: Bench, count: int) -> None:
    while (await bench.store.count_by_status()).get("SUCCESS", 0) < count:  # noqa: ASYNC110 - the store has no event for it
        await asyncio.sleep(0.01)


def test_one_transaction_stores_and_claims(url: str) -> None:
    async def story(bench: Bench, commits: list[set[str]]) -> None:
        await until(lambda: commits and not bench.worker._claiming._under_way.locked())
        await bench.start("plain", "x")
        await ended(bench, 1)
        assert {"start", "claim"} in commits

    serve(url, story)


def test_a_workflow_whose_executions_are_counted_is_claimed_by_itself(url: str) -> None:
    async def story(bench: Bench, commits: list[set[str]]) -> None:
        await asyncio.gather(*[bench.start("limited", str(number)) for number in range(6)])
        await ended(bench, 6)
        assert max(side_by_side) == 2

    serve(url, story)


def test_there_are_never_more_than_there_is_room_for(url: str) -> None:
    async def story(bench: Bench, commits: list[set[str]]) -> None:
        async def some(place: int) -> None:
            for number in range(20):
                await bench.start("plain", f"{place}-{number}")

        await asyncio.gather(*[some(place) for place in range(6)])
        await ended(bench, 120)
        assert sorted(started) == sorted(f"{place}-{number}" for place in range(6) for number in range(20))
        assert 1 < max(side_by_side) <= 3

    serve(url, story, slots=3)


def test_a_worker_that_ends_leaves_nothing_claimed(url: str) -> None:
    """Also what it claims along in its last moment is done, or given back without a sign of a crash."""

    async def story(bench: Bench, commits: list[set[str]]) -> None:
        loads = [asyncio.create_task(_start_for_ever(bench, place)) for place in range(4)]
        await until(lambda: len(started) > 5)
        await bench.worker.drain(0)
        for load in loads:
            load.cancel()
        await asyncio.gather(*loads, return_exceptions=True)
        await bench.store.flush()
        held = await bench.store.executions(status="RUNNING", limit=1000)
        assert held == []

    serve(url, story)


async def _start_for_ever(bench: Bench, place: int) -> None:
    number = 0
    while True:
        number += 1
        await bench.start("plain", f"{place}-{number}")
