"""Retries of jobs that are due later: the execution is parked, and tries and due time survive restarts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import httpx
import pytest
from crashing import at_commit, move_in, one_life
from hypothesis import given
from hypothesis import strategies as st
from kit import NOON, Bench, StillClock, of, play

from hub import Context, RetryPolicy, job, workflow
from hub.engine import retry
from hub.model.execution import JobStatus, Status
from hub.model.wait import Signal


class Busy(Exception):
    """What a target says that wants to be left alone."""

    def __init__(self, seconds: float) -> None:
        super().__init__("busy")
        self.retry_after = seconds


def asking(tries: list[int], failures: int, rest: float = 60):
    @job(retry=RetryPolicy(max_retries=5, initial_backoff="1ms", max_backoff="1ms"))
    async def ask(ctx: Context) -> int:
        tries.append(ctx.attempt)
        if len(tries) <= failures:
            raise Busy(rest)
        return ctx.attempt

    @job(name="main-job")
    async def main() -> int:
        return await ask.trigger()

    return workflow("asking", main)


def test_a_long_rest_parks_the_execution_and_says_why(tell):
    tries: list[int] = []

    async def story(bench: Bench) -> None:
        record = await bench.run("asking")
        for number in (1, 2):
            assert (record.status, bench.worker.running) == (Status.WAITING, 0)
            assert record.reason.startswith("tries ask again at 2026-")
            call = of(record, "main-job/ask")
            assert (call.status, call.attempts) == (JobStatus.WAITING, number)
            assert '"type": "Busy"' in call.error
            assert 60_000 <= record.due_at - bench.clock.now() <= 60_002
            bench.clock.advance(59)
            await bench.work()
            assert tries == list(range(1, number + 1)), "it is not due yet"
            bench.clock.advance(2)
            await bench.work()
            record = await bench.record(record.id)
        assert (record.status, record.result, tries) == (Status.SUCCESS, 3, [1, 2, 3])
        assert of(record, "main-job/ask").error is None

    tell(story, asking(tries, failures=2), clock=StillClock())


def test_what_else_is_to_be_done_is_done_meanwhile_and_a_wake_does_not_hurry_it(tell):
    tries: list[int] = []

    @job(retry=RetryPolicy(max_retries=5, initial_backoff="1ms", max_backoff="1ms"))
    async def ask(ctx: Context) -> int:
        tries.append(ctx.attempt)
        if ctx.attempt < 2:
            raise Busy(60)
        return ctx.attempt

    @job(name="main-job")
    async def main(ctx: Context) -> list:
        asked = ask.trigger()
        told = await ctx.step.wait_for_signal("go")
        return [told, await asked]

    async def story(bench: Bench) -> None:
        record = await bench.run("asking")
        assert record.status is Status.WAITING
        await bench.store.signal(Signal("S1", "go", '"now"', bench.clock.now()))
        await bench.work()
        record = await bench.record(record.id)
        assert (record.status, tries) == (Status.WAITING, [1])
        bench.clock.advance(61)
        await bench.work()
        assert (await bench.record(record.id)).result == ["now", 2]

    tell(story, workflow("asking", main), clock=StillClock())


def test_when_the_tries_are_used_up_it_fails_as_ever(tell):
    tries: list[int] = []

    async def story(bench: Bench) -> None:
        record = await bench.run("asking")
        for _ in range(5):
            bench.clock.advance(61)
            await bench.work()
        record = await bench.record(record.id)
        assert (record.status, record.error["type"], tries) == (Status.FAILED, "Busy", [1, 2, 3, 4, 5, 6])
        # A resume gives it a first try again, and it may rest again.
        await bench.store.resume(record.id)
        await bench.work()
        assert len(tries) == 7

    tell(story, asking(tries, failures=10), clock=StillClock())


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("verb", ["wait", "park", "begin", "claim", "finish", "checkpoint"])
def test_tries_and_due_time_survive_the_end_of_the_process(quick_path, verb, moment):
    for at in range(1, 4):
        tries: list[int] = []
        clock, flow = StillClock(), asking(tries, failures=2)
        url = f"sqlite:///{quick_path}/{at}.db"

        async def story(bench: Bench) -> object:
            await move_in(bench)
            execution_id = await bench.start("asking", key="one")
            for _ in range(3):
                await bench.work()
                bench.clock.advance(30)
                await bench.work()
                bench.clock.advance(31)
            await bench.work()
            return await bench.record(execution_id)

        crashed, record = one_life(Bench(url, [flow], clock=clock, inline=True), story, at_commit(verb, moment, at))
        if crashed:
            clock.advance(1)
            record = play(story, lambda url=url, flow=flow, clock=clock: Bench(url, [flow], clock=clock, node="node-2"))
        assert record.status is Status.SUCCESS
        # What was in flight is made again under a number of its own, or was counted and never began.
        assert abs(len(tries) - record.result) <= crashed
        assert set(tries) <= set(range(1, record.result + 1))
        assert tries == sorted(tries)


# --- what a failed system asks for


def _response(value: str) -> httpx.HTTPStatusError:
    request = httpx.Request("GET", "https://example.com")
    response = httpx.Response(429, headers={"Retry-After": value}, request=request)
    return httpx.HTTPStatusError("too many", request=request, response=response)


def _behind(error: Exception) -> Exception:
    outer = RuntimeError("the call failed")
    outer.__cause__ = error
    return outer


LATER = format_datetime(datetime.fromtimestamp(NOON / 1000 + 90, UTC), usegmt=True)
EARLIER = format_datetime(datetime.fromtimestamp(NOON / 1000 - 90, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (Busy(1.5), 1_500),
        (Busy(-3), 0),
        (Busy(float("inf")), 86_400_000),
        (Busy(float("nan")), None),
        (Busy(10**30), 86_400_000),
        (Busy(timedelta(minutes=2)), 120_000),
        (Busy("30"), 30_000),
        (Busy(True), None),
        (_response("120"), 120_000),
        (_response(" 7 "), 7_000),
        (_response("9" * 40), 86_400_000),
        (_response(LATER), 90_000),
        (_response(EARLIER), 0),
        (_response("soon"), None),
        (_response(""), None),
        (_behind(_response("3")), 3_000),
        (ValueError("no"), None),
    ],
    ids=str,
)
def test_what_is_asked_for(error, asked):
    assert retry.asked_for(error, NOON) == asked


@given(st.text(max_size=40), st.integers(0, 2**42))
def test_no_header_breaks_a_retry(text, now):
    error = ValueError("no")
    error.response = SimpleNamespace(headers={"retry-after": text})  # type: ignore[attr-defined]
    asked = retry.asked_for(error, now)
    assert asked is None or 0 <= asked <= 86_400_000


@given(st.integers(0, 9), st.floats(0, 100_000), st.text(max_size=5))
def test_the_jitter_comes_on_top(retries, seconds, seed):
    policy = RetryPolicy(max_retries=10, initial_backoff="1s", max_backoff="1m")
    wait = retry.wait_before(policy, retries, seed, Busy(seconds), NOON)
    least = min(round(seconds * 1000), 86_400_000)
    assert least <= wait <= least + min(60_000, max(1_000 * 2**retries, least // 4)) + 1


def test_a_whole_execution_waits_as_it_was_asked_to_also_when_a_call_was_told(tell):
    @job
    async def fetch() -> None:
        raise _response("300")

    @job(name="main-job")
    async def main() -> None:
        await fetch.trigger()

    async def story(bench: Bench) -> None:
        record = await bench.run("fetching")
        assert record.status is Status.PENDING_RETRY
        assert 300_000 <= record.due_at - bench.clock.now() <= 330_000

    policy = RetryPolicy(initial_backoff="1s")
    tell(story, workflow("fetching", main, retry_policy=policy), clock=StillClock())


def test_only_what_is_worth_it_is_tried_again():
    policy = RetryPolicy(retry_on=(OSError,), never_on=(FileNotFoundError,))
    assert retry.may_retry(policy, ConnectionError(), 0)
    assert not retry.may_retry(policy, FileNotFoundError(), 0)
    assert not retry.may_retry(policy, ValueError(), 0)
    assert not retry.may_retry(policy, ConnectionError(), 3)
