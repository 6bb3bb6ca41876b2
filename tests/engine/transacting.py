"""Processes that end around the commits of a job's own transaction, and what must hold once the execution has ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kit import Bench, FakeClock
from mortal import Crash, end_like_a_process
from sqlalchemy import event

from hub import Context, RetryPolicy, job, workflow
from hub.model.execution import ExecutionRecord, Status
from hub.model.identity import MachineUser
from hub.store.databases import Database
from hub.store.nodes import About

KEEPER = MachineUser("main", "keeper", {}, ("database:write:*", "workflow:start:*"))


class Points:
    """Counts moments, and ends the process at one of them."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.passed: list[str] = []

    def __call__(self, moment: str) -> None:
        self.passed.append(moment)
        if self.at is not None and len(self.passed) == self.at:
            raise Crash


class Ledger(Database):
    """The user's database, in which a process can end before and after a commit."""

    def __init__(self, url: str, points: Points) -> None:
        super().__init__("ledger", url)
        self._points = points
        self.armed = False

        @event.listens_for(self.engine(), "commit")
        def _(_connection: object) -> None:
            if self.armed:
                points("before the user's commit")

    def of_job(self, job: Any, *check: Any) -> Database:
        whole = super().of_job(job, *check)
        self.armed = True
        opening = whole.transaction
        points = self._points

        class Block:
            def __init__(self) -> None:
                self.inside = opening()

            def __enter__(self) -> Any:
                return self.inside.__enter__()

            def __exit__(self, *raised: Any) -> Any:
                swallowed = self.inside.__exit__(*raised)
                if raised[0] is None:
                    points("after the user's commit")
                return swallowed

            async def __aenter__(self) -> Any:
                return await self.inside.__aenter__()

            async def __aexit__(self, *raised: Any) -> Any:
                swallowed = await self.inside.__aexit__(*raised)
                if raised[0] is None:
                    points("after the user's commit")
                return swallowed

        whole.transaction = Block  # type: ignore[method-assign, assignment]
        return whole

    def setup(self) -> None:
        self.run("CREATE TABLE IF NOT EXISTS entries (id INTEGER PRIMARY KEY, name TEXT)")

    def entries(self) -> list[str]:
        return [row["name"] for row in self.rows("SELECT name FROM entries ORDER BY name")]

    def results(self) -> int:
        return int(self.rows("SELECT count(*) AS n FROM _hub_results")[0]["n"])


def book(tx: Any, name: str) -> int:
    """One more entry, under the next number: run twice it would be seen."""
    number = int(tx.rows("SELECT coalesce(max(id), 0) + 1 AS n FROM entries")[0]["n"])
    tx.run("INSERT INTO entries (id, name) VALUES (:id, :name)", id=number, name=name)
    return number


def bookings() -> Any:
    """A plain job and an async one in transactions of their own, and one that hands its result over by hand."""

    @job(name="book-plain", transaction="ledger")
    def book_plain(input: str, ctx: Context) -> int:
        return book(ctx.transaction, input)

    @job(name="book-async", transaction="ledger")
    async def book_async(input: str, ctx: Context) -> int:
        await asyncio.sleep(0)
        return book(ctx.transaction, input)

    @job(name="book-by-hand")
    def book_by_hand(input: str, ctx: Context) -> int:
        with ctx.database("ledger").transaction() as tx:
            return tx.result(book(tx, input))

    @job(name="book-all")
    async def book_all(input: dict, ctx: Context) -> list[int]:
        return [
            await book_plain.trigger("plain"),
            await book_async.trigger("async"),
            await book_by_hand.trigger("by hand"),
        ]

    return workflow("bookings", book_all, retry_policy=RetryPolicy(max_retries=3))


def live_through(
    folder: Path, url: str, crash_at: int | None, *, wreck: Callable[[], contextlib.AbstractContextManager[None]]
) -> tuple[list[str], list[str], bool]:
    """What is wrong in the end, the moments of the first process, and whether it ended at one."""
    store, clock, points = f"sqlite:///{folder}/store-{crash_at}.db", FakeClock(), Points(crash_at)
    with wreck():
        left = _one_process(store, url, clock, points, "node-1")
        crashed = left is None
        if left is None:
            left = _one_process(store, url, clock, Points(None), "node-2")
        assert left is not None
    ledger = Ledger(url, Points(None))
    entries = ledger.entries()
    ledger.close()
    faults = []
    if left.status is not Status.SUCCESS or left.result != [1, 2, 3]:
        faults.append(f"it ended as {left.status} with {left.result} {left.error}")
    if entries != ["async", "by hand", "plain"]:
        faults.append(f"the ledger holds {entries}")
    return faults, points.passed, crashed


@contextlib.contextmanager
def sound() -> Iterator[None]:
    """Nothing is planted."""
    yield


def _one_process(store: str, url: str, clock: FakeClock, points: Points, node: str) -> ExecutionRecord | None:
    ledger = Ledger(url, points)
    ledger.setup()
    bench = Bench(
        store, [bookings()], clock=clock, node=node, inline=True, users=[KEEPER], databases={"ledger": ledger}
    )

    def probe(moment: str, verbs: Sequence[str]) -> None:
        points(f"{moment} {', '.join(sorted(verbs))}")

    bench.store._writer._committer._probe = probe
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(_process(bench))
    except Crash:
        end_like_a_process(bench, loop)
        return None
    finally:
        ledger.close()
        loop.close()


async def _process(bench: Bench) -> ExecutionRecord:
    await bench.store.beat(bench.node, About("host", 1), 15_000)
    await bench.store.alone(bench.node)
    await bench.store.rescue()
    execution_id = await bench.start("bookings", {}, key="the-one", invoker=KEEPER)
    for _ in range(6):
        await bench.work()
        bench.clock.advance(40)
    record = await bench.record(execution_id)
    await bench.close()
    return record
