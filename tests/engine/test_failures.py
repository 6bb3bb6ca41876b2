"""Errors of jobs: the same live and on replay, final when caught, tried again when not."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest
from kit import Bench, of

from hub import Context, JobFailed, NonRetryable, RetryPolicy, job, workflow
from hub.engine import failures
from hub.model.errors import BadInput, JobTimeout, NotFound, NotJson
from hub.model.execution import JobStatus, Status


class PaymentRefused(Exception):
    """Wants arguments of its own."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Odd(Exception):
    def __new__(cls, *, code: int) -> Odd:
        made: Odd = super().__new__(cls, code)
        return made

    def __init__(self, *, code: int) -> None:
        super().__init__(code)


class Final(JobTimeout):
    """A subclass of the hub's own."""


ERRORS = [
    ValueError("bad"),
    KeyError("name"),
    PaymentRefused(402, "no funds"),
    Mute(),
    Odd(code=3),
    OSError(2, "missing"),
    UnicodeDecodeError("utf-8", b"x", 0, 1, "odd"),
    ExceptionGroup("several", [ValueError("one")]),
    NotFound("thing", "x"),
    NotJson("$.x", "set"),
    NonRetryable("stop"),
    JobTimeout("JobTimeout", "it ran longer than 1s"),
    Final("Final", "mine"),
    TimeoutError(),
    json.JSONDecodeError("odd", "{", 1),
    SystemExit(3),
    ValueError("lone \ud800"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_rebuilt_error_is_a_job_failure_and_its_own_kind(error):
    described = failures.describe(error, "charge", "main/charge")
    rebuilt = failures.rebuild(failures.dump(described), "main/charge")
    assert isinstance(rebuilt, JobFailed)
    assert isinstance(rebuilt, type(error)) or type(error) in (SystemExit, ExceptionGroup)
    assert (rebuilt.type, rebuilt.job, rebuilt.path) == (type(error).__name__, "charge", "main/charge")
    # Its class tells the type. Where that could not be kept, its text does.
    said = rebuilt.message if type(rebuilt).__name__ == rebuilt.type else f"{rebuilt.type}: {rebuilt.message}"
    assert str(rebuilt) == (said if rebuilt.message else rebuilt.type)
    # It travels up through further jobs unchanged.
    above = failures.describe(rebuilt, "main", "main")
    assert above == described


def test_a_class_that_was_loaded_anew_is_the_one_that_is_caught(monkeypatch):
    text = failures.dump(failures.describe(PaymentRefused(1, "x"), "charge", "main/charge"))
    assert isinstance(failures.rebuild(text, "p"), PaymentRefused)
    newer = type("PaymentRefused", (Exception,), {"__module__": __name__})
    monkeypatch.setattr(sys.modules[__name__], "PaymentRefused", newer)
    assert isinstance(failures.rebuild(text, "p"), newer)


class Flaky:
    """A foreign system: fails as often as it is told, and counts."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return self.calls


@pytest.mark.parametrize("catch", [ValueError, JobFailed, Exception])
def test_a_caught_error_is_the_same_live_and_after_a_resume_and_stays_final(tell, catch):
    outside = Flaky(ValueError("first"))
    later = Flaky(RuntimeError("later"))
    seen = []

    @job
    async def fetch() -> int:
        return outside()

    @job
    async def step(input: str) -> int:
        return later()

    @job(name="main-job")
    async def main() -> str:
        try:
            await fetch.trigger()
        except catch as error:
            seen.append((type(error).__name__, str(error), error.type, error.message, error.job, error.path))
            await step.trigger("default")
            return "caught"
        return "went well"

    async def story(bench: Bench) -> None:
        record = await bench.run("catching")
        assert record.status is Status.FAILED
        await bench.store.resume(record.id)
        await bench.work()
        record = await bench.record(record.id)
        assert (record.status, record.result) == (Status.SUCCESS, "caught")
        assert seen == [("ValueError", "first", "ValueError", "first", "fetch", "main-job/fetch")] * 2
        assert (outside.calls, later.calls) == (1, 2)
        assert of(record, "main-job/fetch").status is JobStatus.FAILED

    tell(story, workflow("catching", main))


def test_a_failure_caught_in_a_branch_is_final_too(tell):
    outside = Flaky(ValueError("first"))
    later = Flaky(RuntimeError("later"))

    @job
    async def fetch() -> str:
        return f"real {outside()}"

    @job
    async def use(input: str) -> str:
        later()
        return input

    @job(name="main-job")
    async def main() -> str:
        async def branch() -> str:
            try:
                return await fetch.trigger()
            except JobFailed:
                return "default"

        found, _ = await asyncio.gather(branch(), asyncio.sleep(0))
        return await use.trigger(found)

    async def story(bench: Bench) -> None:
        record = await bench.run("branching")
        assert record.status is Status.FAILED
        await bench.store.resume(record.id)
        await bench.work()
        assert (await bench.record(record.id)).result == "default"
        assert outside.calls == 1

    tell(story, workflow("branching", main))


@pytest.mark.parametrize("again", ["raise", "raise from"])
def test_a_failure_that_is_raised_again_after_cleaning_up_runs_again_on_resume(tell, again):
    outside = Flaky(ValueError("first"))
    cleaned = Flaky()

    @job
    async def charge() -> int:
        return outside()

    @job
    async def clean_up() -> int:
        return cleaned()

    @job(name="main-job")
    async def main() -> int:
        try:
            return await charge.trigger()
        except ValueError as error:
            await clean_up.trigger()
            if again == "raise":
                raise
            raise RuntimeError("not paid") from error

    async def story(bench: Bench) -> None:
        record = await bench.run("cleaning")
        assert record.status is Status.FAILED
        await bench.store.resume(record.id)
        await bench.work()
        assert (await bench.record(record.id)).result == 2
        assert (outside.calls, cleaned.calls) == (2, 1)

    tell(story, workflow("cleaning", main))


@pytest.mark.parametrize("slow", [0, 1])
def test_two_calls_that_fail_side_by_side_both_run_again_and_the_third_does_not(tell, slow):
    first, second, third = Flaky(ValueError("a")), Flaky(KeyError("b")), Flaky()

    @job
    async def one() -> int:
        return first()

    @job
    async def two() -> int:
        for _ in range(5 * slow):
            await asyncio.sleep(0)
        return second()

    @job
    async def three() -> int:
        for _ in range(10):
            await asyncio.sleep(0)
        return third()

    @job(name="main-job")
    async def main() -> list:
        return await asyncio.gather(one.trigger(), two.trigger(), three.trigger())

    async def story(bench: Bench) -> None:
        record = await bench.run("both")
        assert (record.status, record.error["type"]) == (Status.FAILED, "ValueError")
        assert of(record, "main-job/three").status is JobStatus.SUCCESS, "what was under way is not thrown away"
        await bench.store.resume(record.id)
        await bench.work()
        assert (await bench.record(record.id)).result == [2, 2, 1]

    tell(story, workflow("both", main))


def test_a_job_is_tried_again_by_its_policy_and_each_try_is_counted_before_it_begins(tell):
    tries = []

    @job(retry=RetryPolicy(max_retries=3, initial_backoff="10s", max_backoff="20s"))
    async def fetch(input: list, ctx: Context) -> int:
        await bench_of[0].store.flush()
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
    @job(timeout="10ms")
    async def slow() -> None:
        await asyncio.sleep(30)

    @job(timeout="10ms")
    def slow_plain() -> None:
        import time

        time.sleep(0.1)

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
