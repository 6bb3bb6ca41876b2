"""A job that awaits what it has just called runs it in its own task; nobody can tell by what comes of it."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

from kit import Bench, play

from hub import JobFailed, job, workflow
from hub.model.execution import Status

_said: ContextVar[str] = ContextVar("said", default="nothing")
_POLLS = 500


@job
async def double(input: int) -> int:
    return 2 * input


@job
async def descend(input: int) -> int:
    return 0 if input == 0 else 1 + await descend.trigger(input - 1)


def test_a_job_sees_its_callers_variables_and_keeps_its_own(tell):
    @job
    async def say(input: str) -> list:
        before = _said.get()
        _said.set(input)
        await asyncio.sleep(0)
        await double.trigger(1)
        return [before, _said.get()]

    @job(name="main-job")
    async def main() -> list:
        _said.set("main")
        found = await say.trigger("one")
        return [*found, _said.get(), *await say.trigger("two"), _said.get()]

    async def story(bench: Bench) -> None:
        assert await bench.succeed("saying") == ["main", "one", "main", "main", "two", "main"]
        assert _said.get() == "nothing"

    tell(story, workflow("saying", main))


def test_what_is_not_awaited_begins_when_the_job_comes_to_a_halt(tell):
    met: dict[str, asyncio.Event] = {}

    @job
    async def meet(input: list) -> str:
        mine, other = input
        met[mine].set()
        await met[other].wait()
        return mine

    @job(name="main-job")
    async def main() -> list:
        met.update(a=asyncio.Event(), b=asyncio.Event())
        first = meet.trigger(["a", "b"])
        assert not first.done()
        return [await meet.trigger(["b", "a"]), await first, first.done(), await first]

    @job
    async def leaving() -> None:
        met.update(a=asyncio.Event(), b=asyncio.Event())
        met["b"].set()
        meet.trigger(["a", "b"])

    async def story(bench: Bench) -> None:
        assert await bench.succeed("meeting") == ["b", "a", True, "a"]
        record = await bench.run("leaving")
        assert {call.path: call.result for call in record.jobs} == {"leaving": "null", "leaving/meet": '"a"'}

    tell(story, workflow("meeting", main), workflow("leaving", leaving))


def test_a_call_may_be_awaited_in_several_tasks(tell):
    @job
    async def wait(input: int) -> int:
        await asyncio.sleep(0.01)
        return input

    @job
    async def fail() -> None:
        await asyncio.sleep(0.01)
        raise ValueError("not today")

    @job(name="main-job")
    async def main() -> list:
        async def also(call):
            try:
                return await call
            except ValueError as error:
                return str(error)

        found = []
        for call in (wait.trigger(7), fail.trigger()):
            other = asyncio.create_task(also(call))
            found += [await also(call), await other]
        return found

    async def story(bench: Bench) -> None:
        assert await bench.succeed("sharing") == [7, 7, "not today", "not today"]

    tell(story, workflow("sharing", main))


def test_calls_go_deeper_than_the_stack(tell):
    async def story(bench: Bench) -> None:
        assert await bench.succeed("descending", 150) == 150

    tell(story, workflow("descending", descend))


def test_a_timeout_round_a_call_takes_down_that_alone(tell):
    @job
    async def hang() -> None:
        await asyncio.sleep(3600)

    @job
    async def cancel_itself() -> None:
        raise asyncio.CancelledError

    @job(name="main-job")
    async def main() -> list:
        found: list = []
        try:
            async with asyncio.timeout(0.01):
                await hang.trigger()
        except TimeoutError:
            found.append("timed out")
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            found.append("caught")
        try:
            await cancel_itself.trigger()
        except JobFailed as error:
            found.append(error.type)
        return [*found, await double.trigger(4)]

    async def story(bench: Bench) -> None:
        record = await bench.run("stopping")
        assert (record.status, record.result) == (Status.SUCCESS, ["timed out", "caught", "CancelledError", 8])

    tell(story, workflow("stopping", main))


def test_a_job_that_polls_leaves_others_their_turns(tmp_path):
    @job(name="main-job")
    async def main() -> str:
        rung: list[str] = []

        async def ring() -> None:
            await asyncio.sleep(0)
            rung.append("rung")

        task = asyncio.create_task(ring())
        for _ in range(_POLLS):
            await double.trigger(1)
            if rung:
                await task
                return "heard"
        return "not heard"

    async def story(bench: Bench) -> None:
        assert await bench.succeed("polling") == "heard"

    # A store that writes at once, so that nothing has to be waited for.
    play(story, lambda: Bench(f"sqlite:///{tmp_path}/hub.db", [workflow("polling", main)], inline=True))
