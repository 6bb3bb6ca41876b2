"""Wait points, signals and children, as jobs use them among each other."""

from __future__ import annotations

import asyncio

import pytest

from hub import Context, JobFailed, RetryPolicy, WaitTimeout, job, wait_point, workflow
from hub.model.errors import Conflict
from hub.model.execution import Status
from hub.testing import VirtualEngine

decision = wait_point("decision", payload=dict, result=int)


def play(story, *workflows):
    async def whole():
        async with VirtualEngine(workflows) as engine:
            return await story(engine)

    return asyncio.run(whole())


@job
async def decide(input: dict) -> int:
    return await decision.wait({"n": input["n"]})


deciding = workflow("deciding", decide)


@pytest.mark.parametrize("is_async", [True, False])
def test_a_job_answers_another_execution(is_async):
    if is_async:

        @job(name="answer-it")
        async def answer(input: str) -> int:
            await decision.resolve(input, lambda asked: asked["n"] * 2)
            return 1
    else:

        @job(name="answer-it")
        def answer(input: str) -> int:
            decision.resolve(input, lambda asked: asked["n"] * 2).result()
            return 1

    answering = workflow("answering", answer)

    async def story(engine):
        run = await engine.start(deciding, {"n": 4})
        other = await engine.start(answering, run.id)
        assert (await other.result(), await run.result()) == (1, 8)
        (asked,) = (await engine._store.waits(kind="point"),)[0]
        assert asked.resolved_by == f"execution:{other.id}/answer-it/resolve:decision"
        second = await engine.start(answering, run.id)
        with pytest.raises(JobFailed, match="has ended"):
            await second.result()

    play(story, deciding, answering)


@pytest.mark.parametrize("is_async", [True, False])
def test_several_waits_at_once(is_async):
    names = ["a", "b", "c"]

    if is_async:

        @job(name="ask-all")
        async def ask(ctx: Context) -> list:
            return await asyncio.gather(
                *[decision.with_(of=name).wait({}, timeout="1d", default=0) for name in names],
                ctx.step.wait_for_signal("go", timeout="2d"),
            )
    else:

        @job(name="ask-all")
        def ask(ctx: Context) -> list:
            asked = [decision.with_(of=name).wait({}, timeout="1d", default=0) for name in names]
            asked.append(ctx.step.wait_for_signal("go", timeout="2d"))
            return [one.result() for one in asked]

    asking = workflow("asking-all", ask)

    async def story(engine):
        run = await engine.start(asking)
        assert await run.status() is Status.WAITING
        assert [wait.key for wait in await engine.wait_points()] == [f"decision:of={name}" for name in names]
        await engine.answer(decision.with_(of="b"), 7)
        await engine.advance("1d")
        assert "signal go" in await run.reason()
        await engine.signal("go", "gone")
        assert await run.result() == [0, 7, 0, "gone"]

    play(story, asking)


def test_the_first_of_several():
    @job
    async def race(ctx: Context) -> str:
        async def answered() -> str:
            return f"answer {await decision.wait({})}"

        async def late() -> str:
            await ctx.step.sleep("limit", "1d")
            return "late"

        done, going = await asyncio.wait(
            [asyncio.create_task(answered()), asyncio.create_task(late())], return_when=asyncio.FIRST_COMPLETED
        )
        for task in going:
            task.cancel()
        return done.pop().result()

    racing = workflow("racing", race)

    async def story(engine):
        first = await engine.start(racing)
        await engine.answer(decision, 5)
        assert await first.result() == "answer 5"
        second = await engine.start(racing)
        await engine.advance("1d")
        assert await second.result() == "late"

    play(story, racing)


def test_signals_go_to_one_or_to_all_and_wait_for_those_who_come_later():
    @job
    async def listen(input: dict, ctx: Context) -> str:
        return await ctx.step.wait_for_signal("news", look_back=input.get("look_back"))

    listening = workflow("listening", listen)

    async def story(engine):
        runs = [await engine.start(listening) for _ in range(3)]
        assert await engine.signal("news", "first") == 1
        assert [await run.status() for run in runs] == [Status.SUCCESS, Status.WAITING, Status.WAITING]
        assert await engine.signal("news", "all", to_all=True) == 2
        assert [await run.result() for run in runs] == ["first", "all", "all"]
        assert await engine.signal("news", "early") == 0
        await engine.advance("1h")
        late = await engine.start(listening, {"look_back": "1m"})
        assert await late.status() is Status.WAITING
        later = await engine.start(listening)
        assert await later.result() == "early"

    play(story, listening)


def test_a_child_that_failed_is_resumed_with_its_parent():
    broken = [True]

    @job
    async def child(input: dict, ctx: Context) -> str:
        first = await ctx.step.run("first", lambda: "once")
        if broken:
            raise LookupError("not yet")
        return first

    @job
    async def parent(ctx: Context) -> str:
        return "child said " + await ctx.step.invoke("childish")

    both = [workflow("childish", child), workflow("parental", parent)]

    async def story(engine):
        run = await engine.start(both[1])
        with pytest.raises(LookupError, match="not yet"):
            await run.result()
        broken.clear()
        await run.resume()
        assert await run.result() == "child said once"
        assert len(await engine.executions()) == 2

    play(story, *both)


def test_a_cancel_reaches_children_and_what_they_wait_for():
    @job
    async def child(input: dict) -> int:
        return await decision.wait({})

    @job
    async def parent(ctx: Context) -> list:
        return await asyncio.gather(*[ctx.step.invoke("childish") for _ in range(3)])

    both = [workflow("childish", child), workflow("parental", parent)]

    async def story(engine):
        run = await engine.start(both[1])
        assert len(await engine.wait_points()) == 3
        await run.cancel()
        assert {record.status for record in await engine.executions()} == {Status.CANCELED}
        assert await engine.wait_points() == []

    play(story, *both)


@pytest.mark.parametrize("is_async", [True, False])
def test_a_timeout_can_be_caught_and_the_wait_asked_again(is_async):
    if is_async:

        @job(name="ask-again")
        async def ask(ctx: Context) -> list:
            missed = 0
            while True:
                try:
                    return [missed, await decision.wait({}, timeout="1d")]
                except WaitTimeout:
                    missed += 1
    else:

        @job(name="ask-again")
        def ask(ctx: Context) -> list:
            missed = 0
            while True:
                try:
                    return [missed, decision.wait({}, timeout="1d").result()]
                except WaitTimeout:
                    missed += 1

    asking = workflow("asking-again", ask)

    async def story(engine):
        run = await engine.start(asking)
        await engine.advance("3d")
        await engine.answer(decision, 9)
        assert await run.result() == [3, 9]

    play(story, asking)


def test_a_wait_beside_work_that_goes_on():
    @job
    async def work() -> int:
        await asyncio.sleep(7200)
        return 1

    @job
    async def both(ctx: Context) -> list:
        going = work.trigger()
        answer = await decision.wait({}, timeout="1h", default=-1)
        return [answer, going.done(), await going]

    beside = workflow("beside", both)

    async def story(engine):
        run = await engine.start(beside)
        await engine.advance("1h")
        assert await run.status() is Status.RUNNING
        await engine.advance("1h")
        assert await run.result() == [-1, False, 1]
        other = await engine.start(beside)
        await engine.answer(decision, 3)
        await engine.advance("2h")
        assert await other.result() == [3, False, 1]

    play(story, beside)


def test_a_function_needs_a_question():
    @job
    async def slow(ctx: Context) -> int:
        await ctx.step.sleep("first", "1h")
        return await decision.wait({"n": 3})

    waiting = workflow("waiting-first", slow)

    async def story(engine):
        run = await engine.start(waiting)
        with pytest.raises(Conflict, match="nobody has asked"):
            await engine.answer(decision, lambda asked: asked["n"], execution=run)
        await engine.answer(decision, 4, execution=run)
        await engine.advance("1h")
        assert await run.result() == 4

    play(story, waiting)


@pytest.mark.parametrize("kind", ["tasks", "calls", "nested"])
def test_what_has_just_come_wakes_its_job_before_anything_is_parked(kind):
    """A signal is there when it is asked for; the sleep beside it must not take the execution down."""

    @job
    async def first_of(ctx: Context) -> str | None:
        async def quick() -> str:
            return await ctx.step.wait_for_signal("go")

        async def slow() -> str:
            await ctx.step.sleep("limit", "1d")
            return "late"

        async def whole(work) -> str:
            return (await asyncio.gather(work))[0]

        if kind == "calls":
            works = [_awaited(ctx.step.wait_for_signal("go")), _awaited(ctx.step.sleep("limit", "1d"))]
        else:
            works = [whole(quick()) if kind == "nested" else quick(), slow()]
        done, going = await asyncio.wait(
            [asyncio.ensure_future(work) for work in works], return_when=asyncio.FIRST_COMPLETED
        )
        for task in going:
            task.cancel()
        await ctx.step.run("after", lambda: 1)
        return done.pop().result()

    firsts = workflow("first-of", first_of)

    async def story(engine):
        await engine.signal("go", "early")
        assert await (await engine.start(firsts)).result() == "early"
        run = await engine.start(firsts)
        await engine.signal("go", "in time")
        assert await run.result() == "in time"
        run = await engine.start(firsts)
        await engine.advance("1d")
        assert await run.result() in ("late", None)

    play(story, firsts)


async def _awaited(call):
    return await call


def test_the_time_of_an_execution_counts_its_waits_and_begins_anew_when_it_is_resumed():
    @job
    async def doze(ctx: Context) -> str:
        await ctx.step.sleep("first", "20m")
        await ctx.step.sleep("second", "2h")
        return "rested"

    policy = RetryPolicy(max_retries=5, initial_backoff="1s")
    dozing = workflow("dozing", doze, timeout="1h", retry_policy=policy)

    async def story(engine):
        run = await engine.start(dozing)
        await engine.advance("59m")
        assert await run.status() is Status.WAITING
        await engine.advance("1m")
        for attempts in (1, 2):
            found = await engine.execution(run.id)
            assert (found.status, found.attempts) == (Status.FAILED, attempts), "another try would have no time either"
            assert found.error["type"] == "ExecutionTimeout"
            assert (
                "within 1h, the workflow's timeout. When it is resumed, it has that time again."
                in found.error["message"]
            )
            await engine.advance("5m")
            await engine.resume(run.id)
            await engine.settle()
            await engine.advance("59m")
            assert await run.status() is (Status.WAITING if attempts == 1 else Status.SUCCESS), (
                "the sleep goes on beside"
            )
            await engine.advance("1m")
        fork = await engine.fork(run.id, "doze/wait:second")
        await engine.advance("30m")
        assert await fork.status() is Status.WAITING, "it has a time of its own"

    play(story, dozing)
