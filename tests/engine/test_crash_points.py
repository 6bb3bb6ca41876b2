"""A process ends before and after every commit of a whole scenario; the next one brings it to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from crashing import live_through
from kit import Bench

from hub.model.execution import Claimed, Started, StartRequest
from hub.store.checkpoints import CHECKPOINT, CallWrite
from hub.store.claims import ClaimRequest
from hub.store.committing import Operation


def test_without_a_crash_it_runs_through(quick_path: Path) -> None:
    outcome = live_through(quick_path, None)
    assert outcome.faults() == []
    verbs = {verb for _, names in outcome.points for verb in names}
    assert {"start", "claim", "mark", "checkpoint", "begin", "finish", "handled", "start_nested", "rescue"} <= verbs


def test_every_crash_point_is_survived(quick_path: Path) -> None:
    points = len(live_through(quick_path, None).points)
    assert points > 50
    met = 0
    for point in range(1, points + 1):
        outcome = live_through(quick_path, point)
        met += outcome.crashed
        assert outcome.faults() == [], f"crashed at {outcome.points[-1]}, point {point}"
    assert met >= points - 4, "threads may change the number of commits a little"


def _checkpoints_ride_along(bench: Bench) -> None:
    """The caller goes on before the result is durable."""
    store = bench.store

    async def checkpoint(write: CallWrite) -> None:
        store._writer.ride(CHECKPOINT, (write.execution_id, write.checkpoint.path), write)

    store.checkpoint = checkpoint  # type: ignore[method-assign]


def _acknowledged_before_the_commit(bench: Bench) -> None:
    """Results are handed out, and what was to be committed is committed with the next batch."""
    committer = bench.store._writer._committer
    whole = committer.commit
    waiting: list[Operation] = []

    def commit(batch: list[Operation]) -> None:
        if [operation.verb for operation in batch] == [CHECKPOINT] and not waiting:
            waiting.extend(batch)
            return
        early = waiting[:]
        waiting.clear()
        whole([*early, *batch])

    committer.commit = commit  # type: ignore[method-assign]


def _nothing_is_rescued(bench: Bench) -> None:
    async def rescue(dead: object = ()) -> int:
        return 0

    bench.store.rescue = rescue  # type: ignore[method-assign, assignment]


def _starts_are_not_bound_to_their_call(bench: Bench) -> None:
    store = bench.store

    async def start_nested(request: StartRequest, call: CallWrite) -> Started:
        started = await store.start(replace(request, idempotency_key=None))
        done = call.checkpoint._replace(result=f'"{started.id}"')
        await store.checkpoint(call._replace(checkpoint=done))
        return started

    store.start_nested = start_nested  # type: ignore[method-assign]


def _history_is_forgotten(bench: Bench) -> None:
    claim = bench.store.claim

    async def forgetful(request: ClaimRequest) -> list[Claimed]:
        return [replace(one, history=()) for one in await claim(request)]

    bench.store.claim = forgetful  # type: ignore[method-assign]


@pytest.mark.parametrize(
    "mutant",
    [
        _checkpoints_ride_along,
        _acknowledged_before_the_commit,
        _nothing_is_rescued,
        _starts_are_not_bound_to_their_call,
        _history_is_forgotten,
    ],
    ids=lambda mutant: mutant.__name__.strip("_"),
)
def test_the_harness_finds_planted_faults(quick_path: Path, mutant: Callable[[Bench], None]) -> None:
    points = 200
    for point in range(1, points):
        if live_through(quick_path, point, wreck=mutant).faults():
            return
    pytest.fail("no crash point shows the fault")
