"""An execution that is cancelled, or whose worker stops, dies or was taken for dead."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest
from failing import POLICY, failing
from kit import PATIENCE, Bench, until

from hub import job, workflow
from hub.model.errors import Conflict
from hub.model.execution import JobStatus, Status


def test_cancel_before_it_begins(tell):
    calls: list = []

    async def story(bench: Bench) -> None:
        execution_id = await bench.start("cancelled")
        assert await bench.store.cancel(execution_id) is Status.CANCELED
        await bench.work()
        assert (await bench.record(execution_id)).status is Status.CANCELED
        assert calls == []
        with pytest.raises(Conflict, match="is CANCELED and cannot be"):
            await bench.store.cancel(execution_id)
        with pytest.raises(Conflict):
            await bench.store.resume(execution_id)

    tell(story, workflow("cancelled", failing(0, calls)))


@pytest.mark.parametrize("sweep", [True, False])
@pytest.mark.parametrize("plain", [False, True])
def test_after_a_cancel_no_step_begins_and_nothing_is_written(tell, plain, sweep):
    begun, released = threading.Event(), threading.Event()
    steps = []
    ended = []

    @job
    async def step(input: int) -> int:
        steps.append(input)
        return input

    @job
    async def hold() -> None:
        begun.set()
        await until(released.is_set)

    @job(name="main-job")
    async def main() -> None:
        await step.trigger(1)
        await hold.trigger()
        await step.trigger(2)

    @job(name="main-job")
    def main_plain() -> None:
        try:
            step.trigger(1).result()
            begun.set()
            released.wait(PATIENCE)
            try:
                step.trigger(2).result()
            except Exception:
                steps.append("swallowed")
        finally:
            ended.append(True)

    async def story(bench: Bench) -> None:
        execution_id = await bench.start("cancelled")
        await bench.worker.run_once()
        await until(begun.is_set)
        await bench.store.cancel(execution_id)
        if sweep:
            assert await bench.worker.sweep() == 1
        released.set()
        await bench.work()
        await until(lambda: ended or not plain)
        record = await bench.record(execution_id)
        assert (record.status, record.error) == (Status.CANCELED, None)
        # Without the sweep a claim that is over is noticed at the next write: a step may have begun, none is stored.
        assert steps == [1] if sweep else "swallowed" not in steps
        assert len([call for call in record.jobs if call.status is JobStatus.SUCCESS]) == 1

    tell(story, workflow("cancelled", main_plain if plain else main))


def test_what_a_stopping_worker_runs_is_given_back_and_goes_on(tell):
    calls = []
    release = []

    @job
    async def first() -> int:
        calls.append("first")
        return 1

    @job
    async def wait() -> int:
        if not release:
            await asyncio.sleep(60)
        return 2

    @job(name="main-job")
    async def main() -> list:
        return [await first.trigger(), await wait.trigger()]

    async def story(bench: Bench) -> None:
        execution_id = await bench.start("given-back")
        await bench.worker.run_once()
        await until(lambda: calls)
        await bench.store.flush()
        assert await bench.worker.drain(0) == 1
        record = await bench.record(execution_id)
        assert (record.status, record.reason) == (Status.PENDING, "its worker stopped")
        release.append(True)
        bench.worker = type(bench.worker)(bench.store, bench.registry, bench.surroundings, bench.clock, "node-2")
        await bench.work()
        record = await bench.record(execution_id)
        assert (record.status, record.result, record.attempts) == (Status.SUCCESS, [1, 2], 1)
        assert calls == ["first"]

    tell(story, workflow("given-back", main))


def test_an_execution_that_kills_its_workers_is_left_alone_after_three(tell):
    calls: list = []

    async def story(bench: Bench) -> None:
        from hub.store.claims import Claimable, ClaimRequest

        execution_id = await bench.start("deadly")
        for number in range(3):
            request = ClaimRequest(f"dead-{number}", (Claimable("deadly", "r"),), 1, bench.clock.now())
            assert len(await bench.store.claim(request)) == 1
            assert await bench.store.rescue() == 1
        await bench.work()
        record = await bench.record(execution_id)
        assert (record.status, record.error["type"], calls) == (Status.FAILED, "WorkerLost", [])
        await bench.store.resume(execution_id)
        await bench.work()
        assert (await bench.record(execution_id)).status is Status.SUCCESS

    tell(story, workflow("deadly", failing(0, calls), retry_policy=POLICY))


def test_a_worker_that_was_taken_for_dead_lets_go_of_its_old_claim(tell, caplog):
    begun = []
    gate: list = []

    @job
    async def hold() -> int:
        begun.append(1)
        await gate[0].wait()
        return len(begun)

    @job(name="main-job")
    async def main() -> int:
        return await hold.trigger()

    async def story(bench: Bench) -> None:
        gate.append(asyncio.Event())
        execution_id = await bench.start("twice-here")
        await bench.worker.run_once()
        await until(lambda: begun)
        assert await bench.store.rescue() == 1
        assert await bench.worker.run_once() == 1
        await until(lambda: len(begun) == 2)
        assert bench.worker.running == 1
        gate[0].set()
        await bench.work()
        assert (await bench.record(execution_id)).result == 2

    with caplog.at_level(logging.ERROR):
        tell(story, workflow("twice-here", main))
    assert not caplog.records
