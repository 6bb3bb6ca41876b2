"""Retries and resumes: what has finished is not run again, and other arguments than the stored ones are told."""

from __future__ import annotations

import pytest
from failing import POLICY, failing
from kit import Bench, of

from hub import ArgumentHashMismatch, job, workflow
from hub.model.execution import Status


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
