"""`patched`: histories from before a change take the old way, others the new one, and each keeps to it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from kit import Bench, of

from hub import Context, RetryPolicy, job, patched, workflow
from hub.engine.scope import OutsideJob as Outside
from hub.model.execution import Status
from hub.model.wait import Signal

ways: list[str] = []


@job
async def charge(input: int) -> int:
    ways.append(f"charge {input}")
    return input


@job
async def ask(input: int) -> int:
    ways.append(f"ask {input}")
    return input


def _old() -> Any:
    @job(name="main-job")
    async def main(ctx: Context) -> int:
        found = await charge.trigger(1)
        await ctx.step.wait_for_signal("pause")
        return found

    return workflow("changing", main)


def _new() -> Any:
    @job(name="main-job")
    async def main(ctx: Context) -> int:
        if patched("ask-first"):
            await ask.trigger(1)
        found = await charge.trigger(1)
        await ctx.step.wait_for_signal("pause")
        if patched("charge-twice"):
            found += await charge.trigger(2)
        return found

    return workflow("changing", main)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    ways.clear()


def test_an_old_history_takes_the_old_way_where_it_is_past_it(tell: Any) -> None:
    async def story(bench: Bench) -> None:
        execution_id = await bench.start("changing")
        await bench.work()
        bench.redefine(_new())
        await bench.store.signal(Signal("the-one", "pause", "null", bench.clock.now()))
        await bench.work()
        record = await bench.record(execution_id)
        assert record.result == 3, "the second change lies ahead of it"
        assert ways == ["charge 1", "charge 2"]
        assert of(record, "main-job/patched:ask-first").result == "false"
        assert of(record, "main-job/patched:charge-twice").result == "true"

    tell(story, _old())


def test_a_new_execution_takes_the_new_way_and_keeps_to_it(tell: Any) -> None:
    async def story(bench: Bench) -> None:
        execution_id = await bench.start("changing")
        await bench.work()
        assert ways == ["ask 1", "charge 1"]
        await bench.store.signal(Signal("the-one", "pause", "null", bench.clock.now()))
        await bench.work()
        assert (await bench.record(execution_id)).result == 3
        assert ways == ["ask 1", "charge 1", "charge 2"]

    tell(story, _new())


def test_the_answer_is_stored_before_anything_that_follows_from_it(tell: Any) -> None:
    """A try that took the old way has stored more since: the next one must not come to another answer."""
    tries: list[bool] = []

    @job(name="main-job")
    async def main(ctx: Context) -> bool:
        found = patched("ask-first")
        tries.append(found)
        await charge.trigger(1)
        if ctx.attempt < 3:
            raise ConnectionError("again")
        return found

    async def story(bench: Bench) -> None:
        execution_id = await bench.start("changing")
        for _ in range(4):
            await bench.work()
            bench.clock.advance(60)
        assert (await bench.record(execution_id)).result is True
        assert tries == [True] * 3

    tell(story, workflow("changing", main, retry_policy=RetryPolicy(max_retries=3)))


def test_branches_and_plain_jobs_have_answers_of_their_own(tell: Any) -> None:
    @job
    def plain(input: int) -> bool:
        return patched("ask-first")

    @job(name="main-job")
    async def main() -> list[bool]:
        async def branch(number: int) -> bool:
            await charge.trigger(number)
            return patched("ask-first")

        return [await plain.trigger(1), *await asyncio.gather(branch(1), branch(2))]

    async def story(bench: Bench) -> None:
        record = await bench.run("changing")
        assert record.status is Status.SUCCESS
        assert record.result == [True, True, True]
        marks = [call.path for call in record.jobs if "patched:" in call.path]
        assert len(marks) == 3

    tell(story, workflow("changing", main))


def test_what_cannot_be_asked_is_refused(tell: Any) -> None:
    with pytest.raises(Outside):
        patched("ask-first")

    @job(name="main-job")
    async def main() -> None:
        patched("Ask first/")

    async def story(bench: Bench) -> None:
        record = await bench.run("changing")
        assert record.error is not None
        assert "is not an id of a change" in record.error["message"]

    tell(story, workflow("changing", main))
