"""Stored histories against code: what still does the same passes, what does not is named."""

from __future__ import annotations

import asyncio
import json

import pytest

from hub import ArgumentHashMismatch, Context, job, wait_point, workflow
from hub.testing import History, HistoryDiffers, VirtualEngine, replay

question = wait_point("question", payload=dict, result=int)
ran = []


@job
async def fetch(input: int) -> int:
    ran.append(("fetch", input))
    return 10 * input


@job
def plain_fetch(input: int) -> int:
    ran.append(("plain-fetch", input))
    return fetch.trigger(input).result() + 1


@job
async def asks(input: int) -> int:
    return input + await question.wait({"about": input})


@job(name="main-job")
async def first_code(input: dict, ctx: Context) -> int:
    found = await asyncio.gather(fetch.trigger(1), plain_fetch.trigger(2))
    await ctx.step.sleep("pause", "1h")
    return sum(found) + await asks.trigger(3) + await ctx.step.run("last", lambda: 1)


def code(function):
    return workflow("replayed", job(name="main-job")(function))


async def nothing(_engine, _run):
    pass


def made(work, until=nothing):
    """The history of an execution of that code, having been through a file."""

    async def story():
        async with VirtualEngine([work]) as engine:
            run = await engine.start(work)
            await until(engine, run)
            history = await engine.history(run)
        return History.from_json(json.loads(json.dumps(history.to_json())))

    found = asyncio.run(story())
    ran.clear()
    return found


async def answered(engine, run):
    await engine.advance("1h")
    await engine.answer(question, 4)
    assert await run.result() == 10 + 21 + 7 + 1


async def asked(engine, _run):
    await engine.advance("1h")
    assert len(await engine.wait_points()) == 1


FIRST = workflow("replayed", first_code)


@pytest.mark.parametrize("until", [answered, asked, nothing])
def test_the_code_that_made_a_history_replays_it_and_no_job_is_executed(until):
    history = made(FIRST, until)
    asyncio.run(replay(history, FIRST))
    assert ran == []


def test_a_failed_execution_replays_its_failure():
    @job
    async def broken(input: dict) -> None:
        ran.append("broken")
        raise ValueError("always")

    async def main(input: dict) -> None:
        await broken.trigger()

    history = made(code(main))
    asyncio.run(replay(history, code(main)))
    assert ran == []

    async def caught(input: dict) -> None:
        try:
            await broken.trigger()
        except ValueError:
            return

    with pytest.raises(HistoryDiffers, match="failed and would now return null"):
        asyncio.run(replay(history, code(caught)))


@pytest.mark.parametrize("until", [answered, asked])
def test_other_arguments_are_told(until):
    async def other(input: dict, ctx: Context) -> int:
        found = await asyncio.gather(fetch.trigger(99), plain_fetch.trigger(2))
        return sum(found)

    with pytest.raises(ArgumentHashMismatch, match=r"main-job/fetch.* 1 .*99"):
        asyncio.run(replay(made(FIRST, until), code(other)))
    assert ran == []


def test_other_arguments_inside_a_job_that_was_under_way_are_told():
    @job(name="asks")
    async def asks_otherwise(input: int) -> int:
        return input + await question.wait({"about": "else"})

    async def main(input: dict, ctx: Context) -> int:
        found = await asyncio.gather(fetch.trigger(1), plain_fetch.trigger(2))
        await ctx.step.sleep("pause", "1h")
        return sum(found) + await asks_otherwise.trigger(3)

    with pytest.raises(ArgumentHashMismatch, match="question"):
        asyncio.run(replay(made(FIRST, asked), code(main)))


@pytest.mark.parametrize("is_async", [True, False])
def test_a_new_call_in_an_ended_history_is_told(is_async):
    async def first(input: dict) -> int:
        return await fetch.trigger(1)

    async def second(input: dict) -> int:
        return await fetch.trigger(1) + await fetch.trigger(2)

    def plain_second(input: dict) -> int:
        return fetch.trigger(1).result() + fetch.trigger(2).result()

    with pytest.raises(HistoryDiffers, match="never made the call main-job/fetch#2"):
        asyncio.run(replay(made(code(first)), code(second if is_async else plain_second)))
    assert ran == []


def test_a_call_that_is_gone_is_told():
    async def second(input: dict, ctx: Context) -> int:
        found = await fetch.trigger(1)
        await ctx.step.sleep("pause", "1h")
        return found

    with pytest.raises(HistoryDiffers, match="main-job/plain-fetch which the code does not make any more"):
        asyncio.run(replay(made(FIRST, asked), code(second)))


def test_another_result_is_told():
    async def first(input: dict) -> int:
        return await fetch.trigger(1)

    async def second(input: dict) -> int:
        return 1 + await fetch.trigger(1)

    with pytest.raises(HistoryDiffers, match="returned 10 and would now return 11"):
        asyncio.run(replay(made(code(first)), code(second)))


def test_code_that_goes_on_after_what_was_reached_may_change():
    async def second(input: dict, ctx: Context) -> int:
        found = await asyncio.gather(fetch.trigger(1), plain_fetch.trigger(2))
        await ctx.step.sleep("pause", "1h")
        return sum(found) + await asks.trigger(3) + await fetch.trigger(1000)

    asyncio.run(replay(made(FIRST, asked), code(second)))
    assert ran == []


def test_answers_and_signals_that_a_job_sends_are_not_sent_again():
    @job
    async def main(input: dict, ctx: Context) -> int:
        await ctx.step.send_signal("done", 1)
        return await fetch.trigger(1)

    sending = workflow("sending", main)
    asyncio.run(replay(made(sending), sending))


@pytest.mark.parametrize("until", [0, 1, 2])
def test_a_parent_is_replayed_together_with_its_children(until):
    @job
    async def napping(input: int, ctx: Context) -> int:
        await ctx.step.sleep("nap", "1h")
        return input

    child = workflow("napping-flow", napping)

    @job(name="main-job")
    def parent(ctx: Context) -> int:
        given = ctx.step.invoke(child, 3).result()
        ctx.step.sleep("pause", "1h").result()
        return given + len(child.trigger(4).result())

    work = workflow("parent-flow", parent)

    async def story():
        async with VirtualEngine([work, child]) as engine:
            run = await engine.start(work)
            await engine.advance(f"{until}h")
            history = await engine.history(run)
        await replay(history, work, others=[child])
        with pytest.raises(HistoryDiffers, match="napping-flow"):
            await replay(history, work)

    asyncio.run(story())
