"""What is asked all the time costs what is due, not what is stored: no statement walks through a table that grows."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from busy_day import GROWING, a_day, adding, asking
from kit import Bench, StillClock, play
from sqlalchemy import event

#: Indexes that hold only what is under way, and are empty when nothing is.
OF_WHAT_IS_UNDER_WAY = {"events_new_source", "executions_held"}

#: Columns that say little: a search by nothing else grows like the table.
BROAD = {"workflow", "status", "executor", "kind", "source"}
#: The highest and the lowest priority are at the ends of this index: two steps in a statement.
AT_ITS_ENDS = "SEARCH e USING COVERING INDEX executions_due (workflow=?)"


def listen(bench: Bench) -> set[str]:
    """Every statement from now on, with its parameters in place."""
    heard: set[str] = set()
    bench.store._writer._committer.connection.raw.set_trace_callback(heard.add)  # type: ignore[attr-defined]

    def trace(connection: sqlite3.Connection, *_: Any) -> None:
        connection.set_trace_callback(heard.add)

    event.listen(bench.store._dialect.engine(), "checkout", trace)
    return heard


def plan(path: Path, statement: str) -> list[str]:
    with sqlite3.connect(path) as reading:
        return [row[3] for row in reading.execute(f"EXPLAIN QUERY PLAN {statement}")]


def walks(steps: list[str]) -> list[str]:
    """Steps that look at every row of a table that grows, or at everything of one workflow, sender or kind."""
    found = [AT_ITS_ENDS] if steps.count(AT_ITS_ENDS) > 2 else []
    for step in steps:
        seen = re.match(r"(?:SCAN|SEARCH) (\w+)(?: USING (?:COVERING )?INDEX (\w+)(?: \((.*)\))?)?", step)
        if seen is None or seen[2] in OF_WHAT_IS_UNDER_WAY or step == AT_ITS_ENDS:
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


@pytest.mark.parametrize("index", ["executions_next", "executions_held", "waits_open", "events_new_source"])
def test_a_missing_index_is_seen(tmp_path: Path, index: str) -> None:
    path = tmp_path / "hub.db"

    async def without(bench: Bench) -> None:
        bench.store._writer._committer.connection.raw.execute(f"DROP INDEX {index}")  # type: ignore[attr-defined]
        await a_day(bench)

    assert explained(path, without) != {}
