"""A parked execution is a row: nothing of it stays in the process, not even until the collector comes."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest
from kit import Bench, play

from hub import Context, job, wait_point, workflow
from hub.engine.part import Part
from hub.engine.runner import Run
from hub.model.wait import Resolution

answer = wait_point("answer")


@job
async def ask(input: int, _: Context) -> Any:
    return await answer.wait({"n": input})


asking = workflow("asking", ask)
COUNT = 200
#: Objects that may be on their way between threads, for each execution: some 5. A run with its parts would be 23, a stack 60 more.
LEFT_OVER = 12
#: And that are still there when the collector has been: half a one, and what the process has beside that.
KEPT = 4


async def park(bench: Bench, count: int) -> list[str]:
    started = [await bench.start("asking", number) for number in range(count)]
    await bench.work()
    return started


def runs() -> int:
    return sum(isinstance(one, Run) for one in gc.get_objects())


def bench(path: Path) -> Bench:
    return Bench(f"sqlite:///{path}/hub.db", [asking])


def test_nothing_of_a_parked_execution_is_left(quick_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await park(bench, 20)
        gc.collect()
        gc.disable()
        try:
            before = len(gc.get_objects())
            others = runs()  # what tests before this one have left
            await park(bench, COUNT)
            grown = len(gc.get_objects()) - before
            assert runs() <= others
        finally:
            gc.enable()
        assert grown < COUNT * LEFT_OVER
        gc.collect()
        assert len(gc.get_objects()) - before < COUNT * KEPT, "nor is anything left that the collector does not find"

    play(story, lambda: bench(quick_path))


def test_a_run_that_is_kept_would_be_seen(quick_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: somebody keeps what was parked."""
    kept: list[Run] = []
    parking = Run._park

    async def keep(run: Run) -> None:
        kept.append(run)
        await parking(run)

    monkeypatch.setattr(Run, "_park", keep)
    with pytest.raises(AssertionError):
        test_nothing_of_a_parked_execution_is_left(quick_path)


def test_a_run_that_its_parts_keep_alive_would_be_seen(quick_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: a circle, which only the collector finds."""

    def hold(part: Part, run: Run) -> None:
        part._held_by = lambda: run  # type: ignore[assignment]

    monkeypatch.setattr(Part, "__init__", hold)
    with pytest.raises(AssertionError):
        test_nothing_of_a_parked_execution_is_left(quick_path)


def test_those_that_are_answered_at_once_run_at_once(quick_path: Path) -> None:
    """They are claimed together, not one behind the other."""

    async def story(bench: Bench) -> None:
        waiting = await park(bench, COUNT)
        now = bench.clock.now()
        await asyncio.gather(
            *[bench.store.resolve_wait(Resolution(one, "answer", "1", now, by="ada")) for one in waiting]
        )
        assert await bench.worker.run_once() == COUNT
        assert bench.worker.running == COUNT
        await bench.work()
        assert {(await bench.record(one)).result for one in waiting} == {1}

    play(story, lambda: bench(quick_path))
