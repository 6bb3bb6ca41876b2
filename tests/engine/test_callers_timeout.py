"""What a caller's timeout takes down with it, and what the caller's next try finds of that."""

from __future__ import annotations

import asyncio

import pytest
from kit import PATIENCE, Bench

from hub import Context, OutcomeUnknown, RetryPolicy, job, workflow
from hub.model.execution import Status

#: A try that a busy machine makes too late is one more that was taken down.
AGAIN = RetryPolicy(max_retries=10, initial_backoff="1ms", max_backoff="1ms")


@pytest.mark.parametrize("on_unknown", ["wait", "fail"])
def test_one_that_its_callers_timeout_took_down_is_not_run_by_the_next_try(tell, on_unknown):
    paid: list[int] = []

    @job(at_most_once=True, on_unknown=on_unknown)
    async def pay() -> str:
        paid.append(1)
        await asyncio.sleep(PATIENCE)
        return "paid"

    @job(timeout="50ms", retry=AGAIN)
    async def order(_: None, ctx: Context) -> str:
        try:
            return await pay.trigger()
        except OutcomeUnknown:
            return f"unknown at try {ctx.attempt}"

    @job(name="main-job")
    async def main() -> str:
        return await order.trigger()

    async def story(bench: Bench) -> None:
        record = await bench.run("ordering")
        assert paid == [1]
        if on_unknown == "fail":
            assert record.status is Status.SUCCESS
            assert str(record.result).startswith("unknown at try ")
        else:
            assert record.status is Status.WAITING
            assert "hub workflow settle" in str(record.reason)

    tell(story, workflow("ordering", main))


def test_tries_that_a_callers_timeout_took_down_are_counted(tell):
    attempts: list[int] = []

    @job
    async def slow(input: int, ctx: Context) -> int:
        attempts.append(ctx.attempt)
        if len(attempts) < 3:
            await asyncio.sleep(PATIENCE)
        return input

    @job(timeout="50ms", retry=AGAIN)
    async def hasty(_: None, ctx: Context) -> int:
        return await slow.trigger(ctx.attempt)

    @job(name="main-job")
    async def main() -> int:
        return await hasty.trigger()

    async def story(bench: Bench) -> None:
        record = await bench.run("counting")
        last = len(attempts)
        assert last >= 3
        assert attempts == list(range(1, last + 1))
        assert (record.status, record.result) == (Status.SUCCESS, last)
        assert {call.path: call.attempts for call in record.jobs}["main-job/hasty/slow"] == last

    tell(story, workflow("counting", main))
