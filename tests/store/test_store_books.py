"""The questions that `hub verify` asks, on every kind of store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kit import Bench

from hub import Context, job, workflow


@job(name="books-main")
async def _main(input: int, ctx: Context) -> int:
    ctx.log.info("%d", input)
    if input > 1:
        await ctx.step.wait_for_signal("never")
    return input


def test_books_of_what_ended_waits_and_is_due(tell: Callable[..., Any]) -> None:
    async def story(bench: Bench) -> None:
        first = await bench.start("books", 1)
        await bench.start("books", 2)
        await bench.work()
        await bench.start("books", 1)
        found = await bench.store.books(0)
        assert (await bench.record(first)).status == "SUCCESS"
        assert found.executions == {"SUCCESS": 1, "WAITING": 1, "PENDING": 1}
        assert (found.ok, found.served, found.events) == (True, False, 0)
        assert await bench.store.damage() == []

    tell(story, workflow("books", _main))
