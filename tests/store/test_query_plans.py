"""What is asked all the time costs what is due, not what is stored: no statement walks through a table that grows."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kit import Bench, StillClock, play
from sqlalchemy import event

from hub import ConcurrencyPolicy, Context, job, wait_point, workflow
from hub.model.event import Delivery, NewEvent, Outcome
from hub.model.wait import Resolution, Signal
from hub.store.events import Dispatched
from hub.store.pruning import Prune

#: Tables that grow with what is stored, or with what waits.
GROWING = {
    "events", "deliveries", "executions", "checkpoints", "logs", "waits", "answers", "signals", "slots", "schedules",
}  # fmt: skip
#: Indexes that hold only what is under way, and are empty when nothing is.
OF_WHAT_IS_UNDER_WAY = {"events_new", "executions_held"}

#: Columns that say little: a search by nothing else grows like the table.
BROAD = {"workflow", "status", "executor", "kind", "source"}
#: The highest and the lowest priority are at an end of this index.
ONE_STEP = {"SEARCH e USING COVERING INDEX executions_due (workflow=?)"}

approval = wait_point("approval")


@job
async def add_one(input: int) -> int:
    return input + 1


@job
async def ask(input: dict[str, int], ctx: Context) -> Any:
    ctx.log.info("asking")
    await add_one.trigger(input["n"])
    await ctx.step.sleep("a while", "1h")
    await ctx.step.invoke(adding, 1)
    await ctx.step.wait_for_signal("go", timeout="1d", default=None)
    return await approval.wait(input, timeout="3d")


adding = workflow("adding", add_one, concurrency_policy=ConcurrencyPolicy(max_concurrent_executions=2))
asking = workflow("asking", ask, concurrency_policy=ConcurrencyPolicy(max_concurrent_executions=2, key="input.n"))


def listen(bench: Bench) -> set[str]:
    """Every statement from now on, with its parameters in place."""
    heard: set[str] = set()
    bench.store._writer._committer.connection.raw.set_trace_callback(heard.add)  # type: ignore[attr-defined]

    def trace(connection: sqlite3.Connection, *_: Any) -> None:
        connection.set_trace_callback(heard.add)

    event.listen(bench.store._dialect.engine(), "checkout", trace)
    return heard


async def a_day(bench: Bench) -> None:
    """Everything that a hub does all the time, once."""
    store, clock = bench.store, bench.clock
    fact = NewEvent("webhook:x", "1", "push", 1, {}, body=b"{}", executors=("x",), body_key="b", window=1_000)
    stored = await store.store_event(fact)
    await store.store_event(fact)
    assert (await store.undispatched())[0]
    await store.dispatch(
        Dispatched(stored.id, (Delivery(f"{stored.id}.x", stored.id, "x", Outcome.PAUSED, "r", 1),), ())
    )
    waiting = await bench.start("asking", {"n": 1}, key="k")
    await bench.start("asking", {"n": 1}, key="k")
    await bench.work()
    for _ in range(3):
        clock.advance(3_601)
        await bench.work()
    await store.signal(Signal("s", "go", "1", now=clock.now(), to_all=False, execution_id=None))
    await bench.work()
    await store.resolve_wait(Resolution(waiting, "approval", "true", clock.now(), by="ada"))
    await bench.work()
    assert (await bench.record(waiting)).finished_at is not None
    await store.cancel(await bench.start("adding", 1))
    await bench.worker.sweep()
    await store.rescue()
    await store.alone(bench.node)
    await store.due_schedules(clock.now(), 10)
    await store.prune(Prune(clock.now(), clock.now()))
    await store.flush()


def plan(path: Path, statement: str) -> list[str]:
    with sqlite3.connect(path) as reading:
        return [row[3] for row in reading.execute(f"EXPLAIN QUERY PLAN {statement}")]


def walks(steps: list[str]) -> list[str]:
    """Steps that look at every row of a table that grows, or at everything of one workflow, sender or kind."""
    found = []
    for step in steps:
        seen = re.match(r"(?:SCAN|SEARCH) (\w+)(?: USING (?:COVERING )?INDEX (\w+)(?: \((.*)\))?)?", step)
        if seen is None or seen[2] in OF_WHAT_IS_UNDER_WAY or step in ONE_STEP:
            continue
        bound = set(re.findall(r"(\w+)[=<>]", seen[3] or ""))
        if bound <= BROAD and (step.startswith("SCAN") or seen[2] is not None) and named(seen[1]) in GROWING:
            found.append(step)
    return found


def named(alias: str) -> str:
    """The table behind an alias: they are all of executions."""
    return "executions" if alias in {"e", "held"} else alias


def explained(path: Path, story: Callable[[Bench], Any]) -> dict[str, list[str]]:
    """Each statement of the story that walks through a table, with those steps."""
    heard: set[str] = set()

    async def whole(bench: Bench) -> None:
        statements = listen(bench)
        await story(bench)
        heard.update(statements)

    play(whole, lambda: Bench(f"sqlite:///{path}", [adding, asking], clock=StillClock(), inline=True))
    asked = [one for one in heard if re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT|WITH)", one)]
    assert len(asked) > 40, "the statements were heard"
    return {one: found for one in asked if (found := walks(plan(path, one)))}


def test_what_is_done_all_the_time_walks_through_no_table(tmp_path: Path) -> None:
    assert explained(tmp_path / "hub.db", a_day) == {}


@pytest.mark.parametrize("index", ["executions_next", "executions_held", "waits_open", "events_new"])
def test_a_missing_index_is_seen(tmp_path: Path, index: str) -> None:
    path = tmp_path / "hub.db"

    async def without(bench: Bench) -> None:
        bench.store._writer._committer.connection.raw.execute(f"DROP INDEX {index}")  # type: ignore[attr-defined]
        await a_day(bench)

    assert explained(path, without) != {}
