"""Choices, rests and jobs that are at most once, in stored histories and with a virtual clock."""

from __future__ import annotations

import asyncio
import json

import pytest

from hub import ArgumentHashMismatch, Context, Debounce, NotChosen, RateLimit, RetryPolicy, job, wait_point, workflow
from hub.model.errors import BadInput
from hub.model.execution import Status
from hub.testing import History, HistoryDiffers, VirtualEngine, replay

approval = wait_point("approval", result=str)


@job(name="main-job")
async def chooses(ctx: Context) -> list:
    answer = approval.wait()
    found = await ctx.step.first(answer=answer, late=ctx.step.sleep("late", "3d"))
    try:
        said = await answer
    except NotChosen:
        said = "nobody"
    return [found.name, said]


@job(name="main-job")
async def chooses_otherwise(ctx: Context) -> list:
    return list(await ctx.step.first(late=ctx.step.sleep("late", "3d"), answer=approval.wait()))


def flow(main):
    return workflow("choosing", main)


async def _history(engine: VirtualEngine, run) -> History:
    return History.from_json(json.loads(json.dumps((await engine.history(run)).to_json())))


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("answered", [False, True])
def test_a_choice_is_replayed_as_it_was_and_another_one_is_named(answered, ended):
    async def story():
        async with VirtualEngine([flow(chooses)]) as engine:
            run = await engine.start("choosing")
            if ended and answered:
                await engine.answer(approval, "yes")
            elif ended:
                await engine.advance("3d")
            if ended:
                assert await run.result() == (["answer", "yes"] if answered else ["late", "nobody"])
            return await _history(engine, run)

    history = asyncio.run(story())
    asyncio.run(replay(history, flow(chooses)))
    with pytest.raises((HistoryDiffers, ArgumentHashMismatch)):
        asyncio.run(replay(history, flow(chooses_otherwise)))


def test_a_rest_takes_virtual_time_only_and_is_replayed():
    tries: list[int] = []

    @job(retry=RetryPolicy(max_retries=3, initial_backoff="1h", max_backoff="1h"))
    async def fetch(ctx: Context) -> int:
        tries.append(ctx.attempt)
        if ctx.attempt < 3:
            raise ConnectionError("no answer")
        return ctx.attempt

    @job(name="main-job")
    async def main() -> int:
        return await fetch.trigger()

    async def story():
        async with VirtualEngine([flow(main)]) as engine:
            run = await engine.start("choosing")
            assert await run.status() is Status.WAITING
            parked = await _history(engine, run)
            await engine.advance("3h")
            assert (await run.result(), tries) == (3, [1, 2, 3])
            return parked, await _history(engine, run)

    for history in asyncio.run(story()):
        asyncio.run(replay(history, flow(main)))
    assert tries == [1, 2, 3], "a replay runs nothing"


def test_pacing_takes_virtual_time_only():
    ran: list[int] = []

    @job(name="main-job")
    async def main(input: int) -> None:
        ran.append(input)

    async def story():
        paced = workflow("paced", main, debounce=Debounce("1h"), rate_limit=RateLimit(1, "1d"))
        async with VirtualEngine([paced]) as engine:
            first, second = [await engine.start(paced, number) for number in (1, 2)]
            assert await first.status() is Status.CANCELED
            assert "took its place" in str(await first.reason())
            await engine.advance("1h")
            assert (await second.status(), ran) == (Status.SUCCESS, [2])
            third = await engine.start(paced, 3)
            await engine.advance("2h")
            assert "rate limit" in str(await third.reason())
            await engine.advance("1d")
            assert (await third.status(), ran) == (Status.SUCCESS, [2, 3])

    asyncio.run(story())


def test_a_failed_call_is_settled_by_one_word_only():
    @job
    async def fetch() -> int:
        raise ConnectionError("no answer")

    @job(name="main-job")
    async def main() -> int:
        return await fetch.trigger()

    async def story():
        async with VirtualEngine([flow(main)]) as engine:
            run = await engine.start("choosing")
            for word in ({}, {"result": 1, "again": True}, {"failed": "x", "result": 1}):
                with pytest.raises(BadInput, match="say one of"):
                    await engine.settle_call(run.id, "main-job/fetch", **word)
            await engine.settle_call(run.id, "main-job/fetch", result=5)
            await run.resume()
            assert await run.result() == 5
            forked = await run.fork("main-job/fetch")
            assert await forked.status() is Status.FAILED

    asyncio.run(story())
