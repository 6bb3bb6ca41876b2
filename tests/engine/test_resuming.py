"""Retries of executions, resume, cancel, mismatches, and giving back: what becomes of an execution that does not just run."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest
from kit import PATIENCE, Bench, of, until

from hub import ArgumentHashMismatch, ConcurrencyPolicy, Context, RetryPolicy, job, workflow
from hub.model.errors import Conflict
from hub.model.execution import JobStatus, Status

POLICY = RetryPolicy(max_retries=2, initial_backoff="10s", max_backoff="1m")


def failing(times: int, calls: list):
    """A workflow whose second job fails some times; `calls` sees each try of both."""

    @job
    async def first() -> int:
        calls.append("first")
        return 1

    @job
    async def second(ctx: Context) -> int:
        calls.append("second")
        if calls.count("second") <= times:
            raise ConnectionError("no answer")
        return 2

    @job(name="main-job")
    async def main(ctx: Context) -> list:
        return [await first.trigger(), await second.trigger(), ctx.attempt]

    return main


def test_a_retry_comes_when_it_is_due_and_repeats_only_what_failed(tell):
    calls: list = []

    async def story(bench: Bench) -> None:
        record = await bench.run("retried")
        for retry in (1, 2):
            assert (record.status, record.attempts, record.error["type"]) == (
                Status.PENDING_RETRY,
                retry,
                "ConnectionError",
            )
            assert record.reason.startswith(f"retry {retry} of 2 in ")
            assert 0 <= record.due_at - bench.clock.now() <= 20_000
            bench.clock.ms = record.due_at - 1
            await bench.work()
            assert (await bench.record(record.id)).attempts == retry, "it is not due yet"
            bench.clock.ms = record.due_at
            await bench.work()
            record = await bench.record(record.id)
        assert (record.status, record.result, record.error) == (Status.SUCCESS, [1, 2, 3], None)
        assert calls == ["first", "second", "second", "second"]
        assert of(record, "main-job/second").attempts == 3

    tell(story, workflow("retried", failing(2, calls), retry_policy=POLICY))


def test_the_retries_of_a_main_job_are_the_executions(tell):
    calls: list = []
    main = failing(1, calls)
    main.retry = POLICY

    async def story(bench: Bench) -> None:
        record = await bench.run("retried")
        assert record.status is Status.PENDING_RETRY
        bench.clock.advance(60)
        await bench.work()
        assert (await bench.record(record.id)).result == [1, 2, 2]

    tell(story, workflow("retried", main))


def test_when_retries_are_used_up_it_fails_and_a_resume_gives_new_ones(tell):
    calls: list = []

    async def story(bench: Bench) -> None:
        record = await bench.run("retried")
        for _ in range(2):
            bench.clock.advance(60)
            await bench.work()
        record = await bench.record(record.id)
        assert (record.status, record.attempts) == (Status.FAILED, 3)
        assert record.finished_at is not None
        assert await bench.store.resume(record.id) is Status.PENDING_RESUME
        await bench.work()
        assert (await bench.record(record.id)).status is Status.PENDING_RETRY
        bench.clock.advance(60)
        await bench.work()
        record = await bench.record(record.id)
        assert (record.status, record.result, record.attempts) == (Status.SUCCESS, [1, 2, 5], 5)
        assert calls.count("first") == 1

    tell(story, workflow("retried", failing(4, calls), retry_policy=POLICY))


def test_a_mended_definition_goes_on_under_the_same_id(tell):
    calls: list = []

    @job
    async def first(input: int) -> int:
        calls.append(input)
        return input

    @job
    async def check(input: int) -> int:
        if input == 1:
            raise ValueError("one is wrong")
        return input

    @job(name="main-job")
    async def main() -> int:
        return await check.trigger(await first.trigger(1))

    @job(name="main-job")
    async def mended() -> int:
        return await check.trigger(1 + await first.trigger(1))

    async def story(bench: Bench) -> None:
        record = await bench.run("mended")
        assert record.status is Status.FAILED
        bench.redefine(workflow("mended", mended))
        await bench.store.resume(record.id)
        await bench.work()
        after = await bench.record(record.id)
        assert (after.status, after.result, calls) == (Status.SUCCESS, 2, [1])
        assert after.revision == record.revision, "the one that it began with"

    tell(story, workflow("mended", main))


@pytest.mark.parametrize("plain", [False, True])
def test_other_arguments_than_the_stored_ones_fail_it_and_cannot_be_swallowed(tell, plain):
    given = [1]
    mended: list = []
    reached: list = []

    @job
    async def fetch(input: int) -> int:
        return input

    @job
    async def fail() -> None:
        if not mended:
            raise RuntimeError("stop here")

    @job(name="main-job")
    async def main() -> str:
        try:
            await fetch.trigger(given[0])
        except Exception:
            reached.append("swallowed")
        await fail.trigger()
        return "done"

    @job(name="main-job")
    def main_plain() -> str:
        try:
            fetch.trigger(given[0]).result()
        except Exception:
            reached.append("swallowed")
        fail.trigger().result()
        return "done"

    async def story(bench: Bench) -> None:
        record = await bench.run("changing")
        given[0] = 2
        await bench.store.resume(record.id)
        await bench.work()
        record = await bench.record(record.id)
        assert (record.status, record.error["type"]) == (Status.FAILED, ArgumentHashMismatch.__name__)
        for part in ('"fetch"', "main-job/fetch", "arguments 1 ", "with 2"):
            assert part in record.error["message"]
        assert not reached
        given[0] = 1
        mended.append(True)
        await bench.store.resume(record.id)
        await bench.work()
        assert (await bench.record(record.id)).status is Status.SUCCESS

    tell(story, workflow("changing", main_plain if plain else main))


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
        from hub.store.executions import Claimable, ClaimRequest

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


@pytest.mark.parametrize("key", [None, "input.customer"])
def test_never_more_at_once_than_allowed_and_all_come_to_their_end(tell, key):
    now: dict = {}
    most: dict = {}

    @job(name="main-job")
    async def main(input: dict) -> None:
        who = input["customer"] if key else "all"
        now[who] = now.get(who, 0) + 1
        most[who] = max(most.get(who, 0), now[who])
        await until(lambda: most[who] > 1)
        await asyncio.sleep(0.001)
        now[who] -= 1

    async def story(bench: Bench) -> None:
        for number in range(12):
            await bench.start("limited", {"customer": f"c{number % 3}"})
        await bench.work()
        assert await bench.store.count_by_status() == {"SUCCESS": 12}
        assert most == ({"c0": 2, "c1": 2, "c2": 2} if key else {"all": 2})

    tell(story, workflow("limited", main, concurrency_policy=ConcurrencyPolicy(2, key=key)))


def test_a_long_queue_does_not_starve_another_workflow(tell):
    order = []

    @job
    async def one() -> None:
        order.append("one")

    @job
    async def two() -> None:
        order.append("two")

    async def story(bench: Bench) -> None:
        bench.worker._slots = 1
        for _ in range(6):
            await bench.start("aaa")
        await bench.start("zzz")
        await bench.work()
        assert order.index("two") <= 2

    tell(story, workflow("aaa", one), workflow("zzz", two))


def test_serving_wakes_when_something_is_started_and_ends_when_told(store_url):
    @job(name="main-job")
    async def main() -> int:
        return 1

    async def story() -> None:
        bench = Bench(store_url, [workflow("served", main)])
        bench.store.listen(lambda _topic: bench.worker.waker.ring())
        stop = asyncio.Event()
        serving = asyncio.create_task(bench.worker.serve(stop))
        execution_id = await bench.start("served")
        async with asyncio.timeout(PATIENCE):
            while await bench.store.status_of(execution_id) is not Status.SUCCESS:  # noqa: ASYNC110 - a store has no event
                await asyncio.sleep(0.001)
        stop.set()
        bench.worker.waker.ring()
        async with asyncio.timeout(PATIENCE):
            await serving
        await bench.close()

    asyncio.run(story())
