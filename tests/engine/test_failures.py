"""Errors of jobs: the same live and on replay, and final when caught."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest
from failing import Flaky
from kit import Bench, of

from hub import JobFailed, NonRetryable, job, workflow
from hub.engine import failures
from hub.model.errors import JobTimeout, NotFound, NotJson
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
