"""The next suspects begin as soon as those before them have stored something, not when their time is up."""

from __future__ import annotations

import asyncio

import pytest
from kit import Bench, StillClock, until

from hub import Context, job, workflow
from hub.engine.runner import Run
from hub.store.claims import Claimable, ClaimRequest

COUNT = 6


class Story:
    """Executions that store one thing and then go on for ever, of which two workers have died already."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.stored: list[str] = []

        @job
        async def first_step() -> None: ...

        @job(name="main-job")
        async def main(ctx: Context) -> None:
            self.begun.append(ctx.execution_id)
            await first_step.trigger()
            self.stored.append(ctx.execution_id)
            await asyncio.Event().wait()

        self.workflow = workflow("lasting", main)

    async def serve(self, bench: Bench) -> tuple[asyncio.Task[None], asyncio.Event]:
        for _ in range(COUNT):
            await bench.start("lasting")
        for node in ("dead-1", "dead-2"):
            claim = ClaimRequest(node, (Claimable("lasting", "r1"),), 10, bench.clock.now())
            assert len(await bench.store.claim(claim)) == COUNT
            assert await bench.store.rescue() == COUNT
        bench.store.listen(bench.worker.hear)
        stop = asyncio.Event()
        return asyncio.create_task(bench.worker.serve(stop)), stop


async def _over(bench: Bench, serving: asyncio.Task[None], stop: asyncio.Event) -> None:
    stop.set()
    bench.worker.waker.ring()
    await serving


def test_each_turn_begins_when_the_one_before_is_cleared(tell):
    story = Story()

    async def told(bench: Bench) -> None:
        serving = await story.serve(bench)
        # The clock stands still: it is not the time that lets them begin.
        await until(lambda: len(story.stored) == COUNT)
        assert len(set(story.begun)) == COUNT
        await _over(bench, *serving)

    tell(told, story.workflow, clock=StillClock())


def test_turns_that_only_end_by_time_would_be_seen(tell, monkeypatch):
    monkeypatch.setattr(Run, "clear", lambda _self: None)
    story = Story()

    async def told(bench: Bench) -> None:
        serving = await story.serve(bench)
        await until(lambda: story.stored)
        with pytest.raises(TimeoutError):
            await until(lambda: len(story.stored) == COUNT, 0.3)
        await _over(bench, *serving)

    tell(told, story.workflow, clock=StillClock())
