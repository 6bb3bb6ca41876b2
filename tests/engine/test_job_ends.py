"""How a job ends: tried again, given up, strangely, or out of time."""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest
from failing import Flaky
from kit import PATIENCE, Bench, of

from hub import Context, JobFailed, NonRetryable, RetryPolicy, job, workflow
from hub.model.errors import BadInput, JobTimeout
from hub.model.execution import Status


def test_a_job_is_tried_again_by_its_policy_and_each_try_is_counted_before_it_begins(tell):
    tries = []

    @job(retry=RetryPolicy(max_retries=3, initial_backoff="10s", max_backoff="20s"))
    async def fetch(input: list, ctx: Context) -> int:
        record = await bench_of[0].record(ctx.execution_id)
        tries.append((ctx.attempt, of(record, "main-job/fetch").attempts, list(input)))
        input.append("spoilt")
        if ctx.attempt < 3:
            raise ConnectionError("again")
        return ctx.attempt

    @job(name="main-job")
    async def main() -> int:
        return await fetch.trigger([1])

    bench_of = []

    async def story(bench: Bench) -> None:
        bench_of.append(bench)
        assert await bench.succeed("trying") == 3
        assert tries == [(1, 1, [1]), (2, 2, [1]), (3, 3, [1])]
        assert len(bench.clock.slept) == 2
        assert all(0 <= seconds <= 20 for seconds in bench.clock.slept)

    tell(story, workflow("trying", main))


def test_a_try_of_a_job_keeps_what_its_calls_gave_and_repeats_what_failed(tell):
    good, bad = Flaky(), Flaky(ConnectionError("x"))

    @job
    async def inner_good() -> int:
        return good()

    @job
    async def inner_bad() -> int:
        return bad()

    @job(retry=RetryPolicy(max_retries=2))
    async def outer() -> list:
        return [await inner_good.trigger(), await inner_bad.trigger()]

    @job(name="main-job")
    async def main() -> list:
        return await outer.trigger()

    async def story(bench: Bench) -> None:
        assert await bench.succeed("nested-tries") == [1, 2]

    tell(story, workflow("nested-tries", main))


@pytest.mark.parametrize("error", [NonRetryable("enough"), BadInput("wrong")])
def test_hopeless_errors_end_it_at_once_and_can_be_caught(tell, error):
    outside = Flaky(error, error, error)

    @job(retry=RetryPolicy(max_retries=5))
    async def fetch() -> int:
        return outside()

    @job
    async def catching() -> str:
        try:
            await fetch.trigger()
        except type(error):
            return "caught"
        return "not raised"

    @job
    async def letting() -> int:
        return await fetch.trigger()

    async def story(bench: Bench) -> None:
        assert await bench.succeed("catching-it") == "caught"
        record = await bench.run("letting-it")
        assert record.status is Status.FAILED, "the workflow's policy gives up as well"
        assert outside.calls == 2

    policy = RetryPolicy(max_retries=5)
    tell(story, workflow("catching-it", catching), workflow("letting-it", letting, retry_policy=policy))


def _cancel() -> None:
    raise asyncio.CancelledError


def _take_of_nothing() -> None:
    next(iter(()))


def _close() -> None:
    raise GeneratorExit


def _interrupt() -> None:
    raise KeyboardInterrupt


#: How a job may end that means something else to the loop, how its caller sees it, and whether only a plain one may.
STRANGE_ENDS = [
    (sys.exit, "SystemExit", False),
    (sys.exit, "SystemExit", True),
    (_cancel, "CancelledError", False),
    (_cancel, "CancelledError", True),
    (_take_of_nothing, "RuntimeError", False),
    (_take_of_nothing, "RuntimeError: the job raised StopIteration", True),
    (_close, "GeneratorExit", False),
    (_close, "RuntimeError: the job raised GeneratorExit", True),
    (_interrupt, "RuntimeError: the job raised KeyboardInterrupt", True),
]


@pytest.mark.parametrize(("end", "seen", "plain"), STRANGE_ENDS)
def test_whatever_a_job_ends_with_is_its_failure(tell, end, seen, plain):
    @job
    async def from_async() -> None:
        end()

    @job
    def from_plain() -> None:
        end()

    @job(name="main-job")
    async def main() -> str:
        try:
            await (from_plain if plain else from_async).trigger()
        except JobFailed as error:
            return f"{error.type}: {error.message}"
        return "nothing happened"

    async def story(bench: Bench) -> None:
        assert (await bench.succeed("exiting")).startswith(seen)
        record = await bench.run("exiting-itself")
        assert (record.status, record.error["type"]) == (Status.FAILED, seen.partition(":")[0])

    itself = from_plain if plain else from_async
    tell(story, workflow("exiting", main), workflow("exiting-itself", itself))


def test_a_job_that_catches_its_timeout_has_timed_out_all_the_same(tell):
    @job(name="main-job", timeout="10ms")
    async def main() -> str:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return "in time, it says"
        return "ended"

    async def story(bench: Bench) -> None:
        record = await bench.run("stubborn")
        assert (record.status, record.error["type"]) == (Status.FAILED, "JobTimeout")

    tell(story, workflow("stubborn", main))


@pytest.mark.parametrize("plain", [False, True])
def test_timeouts(tell, plain):
    loop, over = asyncio.AbstractEventLoop(), threading.Event()

    @job(timeout="10ms")
    async def slow() -> None:
        await asyncio.sleep(30)

    @job(timeout="10ms")
    def slow_plain() -> None:
        # A timer that is set later and rings later: when it does, the timeout's has rung, however busy the machine is.
        loop.call_soon_threadsafe(loop.call_later, 0.05, over.set)
        assert over.wait(PATIENCE)

    @job(timeout="10s")
    async def own() -> None:
        raise TimeoutError("the socket's")

    @job(name="main-job")
    async def main() -> list:
        found = []
        for one in (slow_plain if plain else slow, own):
            try:
                await one.trigger()
            except JobFailed as error:
                found.append([isinstance(error, JobTimeout), str(error)])
        return found

    async def story(bench: Bench) -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        assert await bench.succeed("timing") == [
            [True, "it ran longer than 10ms"],
            [False, "the socket's"],
        ]

    tell(story, workflow("timing", main))


def test_a_timeout_takes_down_the_calls_below_and_a_plain_thread_at_its_next_call(tell):
    done = []
    swallowed = []

    @job
    async def inner() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            done.append("inner ended")

    @job(timeout="1s")
    def slow() -> None:
        while True:
            try:
                inner.trigger().result()
            except Exception:
                swallowed.append(1)

    @job(name="main-job")
    async def main() -> str:
        try:
            await slow.trigger()
        except JobTimeout:
            return "timed out"
        return "ended"

    async def story(bench: Bench) -> None:
        assert await bench.succeed("unwinding") == "timed out"
        assert done == ["inner ended"]
        assert not swallowed

    tell(story, workflow("unwinding", main))
