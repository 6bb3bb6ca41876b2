"""The test kit: a real engine whose time moves only when told."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit import PATIENCE

from hub import Context, JobFailed, JobTimeout, RetryPolicy, WaitTimeout, job, wait_point, workflow
from hub.model.durations import milliseconds
from hub.model.errors import Conflict, InvalidArguments, Refused
from hub.model.execution import JobStatus, Status
from hub.model.identity import MachineUser
from hub.testing import VirtualEngine

approval = wait_point("approval", payload=dict, result=bool)


def play(story, *workflows, **settings):
    """Run a story in an engine; the real time that it took has to be short."""

    async def whole():
        async with VirtualEngine(workflows, **settings) as engine:
            return await story(engine)

    return asyncio.run(whole())


def test_three_days_pass_in_no_time():
    @job
    async def wait_long(ctx: Context) -> str:
        await ctx.step.sleep("pause", "2d")
        await asyncio.sleep(3600)
        async with asyncio.timeout(7200):
            await asyncio.sleep(1800)
        return "done"

    waiting = workflow("waiting-long", wait_long)

    async def story(engine):
        run = await engine.start(waiting)
        assert await run.status() is Status.WAITING
        assert "sleeps until 2026-01-03T00:00:00.000Z" in (await run.reason())
        with pytest.raises(Conflict, match="sleeps until"):
            await run.result()
        await engine.advance("2d")
        assert await run.status() is Status.RUNNING
        await engine.advance("89m")
        assert await run.status() is Status.RUNNING
        await engine.advance("1m")
        assert await run.result() == "done"
        assert (await run.record()).finished_at == engine.now()

    began = time.monotonic()
    play(story, waiting)
    assert time.monotonic() - began < PATIENCE, "two days go by without anybody waiting for them"


def test_a_job_that_times_out_and_one_that_is_retried_go_off_in_order():
    said = []

    @job(timeout="30s")
    async def hang(ctx: Context) -> None:
        await asyncio.sleep(10_000)

    @job(retry=RetryPolicy(max_retries=5, initial_backoff="1m", max_backoff="10m"))
    def flaky(ctx: Context) -> int:
        said.append(("flaky", ctx.attempt))
        if ctx.attempt < 3:
            raise ConnectionError("not yet")
        return ctx.attempt

    @job
    def main(ctx: Context) -> list:
        going = flaky.trigger()
        try:
            hang.trigger().result()
        except JobTimeout:
            said.append("timeout")
        return ["timed out", going.result()]

    both = workflow("both-of-them", job(name="main-job")(main.function))

    async def story(engine):
        run = await engine.start(both)
        assert said == [("flaky", 1)]
        await engine.advance("29s")
        assert "timeout" not in said
        await engine.advance("1s")
        assert "timeout" in said
        await engine.advance("30m")
        assert await run.result() == ["timed out", 3]

    play(story, both)


def test_a_workflow_is_retried_when_its_time_has_come():
    tries = []

    @job
    async def stumble(ctx: Context) -> int:
        tries.append(ctx.attempt)
        if len(tries) < 3:
            raise ConnectionError("again")
        return len(tries)

    policy = RetryPolicy(max_retries=3, initial_backoff="1h", max_backoff="10h")
    stumbling = workflow("stumbling", stumble, retry_policy=policy)

    async def story(engine):
        run = await engine.start(stumbling)
        assert await run.status() is Status.PENDING_RETRY
        await engine.advance("10h")
        assert (await run.result(), tries) == (3, [1, 2, 3])

    play(story, stumbling)


@pytest.mark.parametrize("is_async", [True, False])
def test_mocks_stand_in_for_jobs(is_async):
    if is_async:

        @job(name="fetch-it")
        async def fetch(input: int) -> int:
            raise AssertionError("not in a test")
    else:

        @job(name="fetch-it")
        def fetch(input: int) -> int:
            raise AssertionError("not in a test")

    @job
    async def ask(input: int) -> int:
        return await fetch.trigger(input)

    asking = workflow("asking", ask)

    async def story(engine):
        mock = engine.mock(fetch, lambda number: number * 2)
        assert await (await engine.start(asking, 21)).result() == 42
        assert mock.calls == [21]
        engine.mock("fetch-it", 7)
        assert await (await engine.start(asking, 1)).result() == 7
        engine.mock(fetch, KeyError("gone"))
        with pytest.raises(KeyError, match="gone") as failed:
            await (await engine.start(asking, 1)).result()
        assert isinstance(failed.value, JobFailed)
        engine.mock(fetch, "no number")
        with pytest.raises(InvalidArguments):
            await (await engine.start(asking, 1)).result()

    play(story, asking, jobs=[fetch])
    with pytest.raises(AssertionError):  # itself again
        asyncio.run(_await(fetch.invoke(1, None)))


async def _await(found):
    return await found if asyncio.iscoroutine(found) else found


@job
async def ask_twice(input: dict, ctx: Context) -> list:
    first = await approval.wait({"about": "one"}, timeout="1h", default=False)
    second = await approval.with_(part="b").wait({"about": "two"}, timeout="3d")
    return [first, second]


asking_twice = workflow("asking-twice", ask_twice)


def test_answers_now_before_and_always():
    async def story(engine):
        await engine.answer(approval, lambda payload: payload["about"] == "one")
        run = await engine.start(asking_twice)
        (open_now,) = await engine.wait_points()
        assert (open_now.key, open_now.payload) == ("approval:part=b", {"about": "two"})
        await engine.answer(approval, True)
        assert await run.result() == [True, True]
        await engine.answer(approval, True, always=True)
        assert await (await engine.start(asking_twice)).result() == [True, True]

    play(story, asking_twice)


@pytest.mark.parametrize("by_name", [True, False])
def test_a_parameter_may_hold_a_comma(by_name):
    here = approval.with_(who="Smith, John", order=1)

    @job
    async def ask() -> bool:
        return await here.wait()

    async def story(engine):
        run = await engine.start("asking")
        await engine.answer(approval if by_name else here, True)
        assert await run.result() is True

    play(story, workflow("asking", ask))


def test_a_timeout_without_an_answer():
    async def story(engine):
        run = await engine.start(asking_twice)
        await engine.advance("1h")
        assert len(await engine.wait_points()) == 1
        await engine.advance("3d")
        with pytest.raises(WaitTimeout):
            await run.result()
        with pytest.raises(Conflict):
            await engine.answer(approval, True, execution=run)

    play(story, asking_twice)


def test_an_answer_that_does_not_fit_is_refused():
    async def story(engine):
        await engine.start(asking_twice)
        with pytest.raises(InvalidArguments):
            await engine.answer(approval, {"not": "a boolean"})
        assert len(await engine.wait_points()) == 1

    play(story, asking_twice)


def test_signals_children_and_cancelling():
    @job
    async def child(input: dict, ctx: Context) -> str:
        return await ctx.step.wait_for_signal("ready", timeout="1d")

    childish = workflow("childish", child)

    @job
    async def parent(input: dict, ctx: Context) -> list:
        return [await ctx.step.invoke(childish), await ctx.step.run("after", lambda: 5)]

    parental = workflow("parental", parent)

    async def story(engine):
        run = await engine.start(parental)
        assert await run.status() is Status.WAITING
        assert await engine.signal("ready", "go") == 1
        assert await run.result() == ["go", 5]
        again = await engine.start(parental)
        await again.cancel()
        assert {record.status for record in await engine.executions()} == {Status.SUCCESS, Status.CANCELED}
        with pytest.raises(JobFailed, match="canceled"):
            await again.result()

    play(story, parental, childish)


def test_surroundings_of_a_test():
    bot = MachineUser("main-auth", "bot", permissions=("workflow:start:looking", "secret:read:KEY"))
    guest = MachineUser("main-auth", "guest")

    @job
    async def look(ctx: Context) -> list:
        return [ctx.env["region"], ctx.secret("KEY"), ctx.invoker.name]

    looking = workflow("looking", look)

    async def story(engine):
        assert await (await engine.start("looking", invoker="bot")).result() == ["here", "s3cret", "bot"]
        with pytest.raises(Refused):
            await engine.start(looking, invoker=guest)

    play(story, looking, env={"region": "here"}, secrets={"KEY": "s3cret"}, machine_users=[bot, guest])


def test_what_is_real_is_waited_for_and_the_loop_is_left_as_it_was():
    @job
    async def read(ctx: Context) -> str:
        process = await asyncio.create_subprocess_exec("echo", "real", stdout=asyncio.subprocess.PIPE)
        async with asyncio.timeout(PATIENCE):
            return (await process.communicate())[0].decode().strip()

    reading = workflow("reading", read)

    async def story():
        loop = asyncio.get_running_loop()
        async with VirtualEngine([reading], patience=PATIENCE) as engine:
            run = await engine.start(reading)
            await engine.advance("1h")
            assert await run.result() == "real"
            before = time.monotonic()
            await asyncio.sleep(0.01)  # no job: real time
            assert time.monotonic() - before >= 0.01
        assert not {"time", "call_at", "call_soon", "call_soon_threadsafe"} & set(vars(loop))
        assert abs(loop.time() - time.monotonic()) < PATIENCE

    asyncio.run(story())


def test_history_shows_the_calls():
    async def story(engine):
        run = await engine.start(asking_twice)
        history = await engine.history(run)
        assert history.paths == ["ask-twice", "ask-twice/wait:approval"]
        assert history.calls[1].status is JobStatus.WAITING

    play(story, asking_twice)


_PARTS = st.lists(st.integers(1, 4_000_000), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None)
@given(parts=_PARTS, naps=st.lists(st.integers(0, 3_000_000), min_size=1, max_size=4))
def test_many_small_steps_are_one_big_one(parts, naps):
    """Whatever the steps: the same things happen, at the same times, in the same order."""

    def whole(steps):
        seen = []

        @job(retry=RetryPolicy(max_retries=4, initial_backoff="5m", max_backoff="1h"))
        async def shaky(input: int, ctx: Context) -> int:
            seen.append((engine_now(), "shaky", input, ctx.attempt))
            if ctx.attempt <= input % 3:
                raise ConnectionError
            await asyncio.sleep(input / 1000)
            return input

        @job
        async def nap(input: dict, ctx: Context) -> int:
            async def one(number, ms):
                await ctx.step.sleep(f"nap-{number}", ms / 1000)
                seen.append((engine_now(), "woke", number))
                return await shaky.trigger(ms)

            found = await asyncio.gather(*[one(*pair) for pair in enumerate(input["naps"])])
            await approval.wait({}, timeout="10m", default=False)
            seen.append((engine_now(), "end"))
            return sum(found)

        engine_now = None

        async def story(engine):
            nonlocal engine_now
            engine_now = engine.now
            run = await engine.start("napping", {"naps": naps})
            for step in steps:
                await engine.advance(step / 1000)
            return (
                seen,
                await run.status(),
                [(call.path, call.status, call.finished_at) for call in (await run.record()).jobs],
            )

        return play(story, workflow("napping", nap))

    assert whole(parts) == whole([sum(parts)])


def test_time_moves_by_exactly_as_much_as_is_said():
    async def story(engine):
        before = engine.now()
        await engine.advance("1d")
        await engine.advance("1ms")
        return engine.now() - before

    assert play(story) == milliseconds("1d") + 1
