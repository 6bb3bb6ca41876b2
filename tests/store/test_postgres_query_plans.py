"""PostgreSQL, with much behind it and much that waits: no statement looks at more than it is asked for."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from busy_day import GROWING, a_day, adding, asking
from kit import NOON, Bench, StillClock, play
from sqlalchemy import event

from hub.model.clock import first_id
from hub.model.execution import Status
from hub.store import open_store
from hub.store.dialects.postgres_link import Link, Statement

#: What a statement may look at, in rows, and in pages of eight kilobytes.
ROWS, PAGES = 250, 700
DAY = 86_400_000

EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF, FORMAT JSON) "
SHAPE = "EXPLAIN (GENERIC_PLAN, FORMAT JSON) "


@dataclass(frozen=True, slots=True)
class Cost:
    rows: int
    pages: int
    plan: str


class Costs:
    """Each statement as it is sent is explained first, where it stands, and what that did is taken back."""

    def __init__(self) -> None:
        self.found: dict[str, Cost] = {}

    def take(self, statement: str, plan: dict[str, Any]) -> None:
        cost = Cost(
            sum(looked_at(plan)), plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], "\n".join(steps(plan))
        )
        known = self.found.get(statement)
        if known is None or known.rows < cost.rows:
            self.found[statement] = cost

    def too_high(self) -> dict[str, Cost]:
        return {text: cost for text, cost in self.found.items() if cost.rows > ROWS or cost.pages > PAGES}

    def in_writer(self, exchange: Callable[[Link, Sequence[Statement]], list[Any]]) -> Callable[..., list[Any]]:
        """In the place of `Link.exchange`."""

        def explaining(link: Link, statements: Sequence[Statement]) -> list[Any]:
            results = []
            for one in statements:
                if re.match(r"SELECT|UPDATE|DELETE|INSERT|WITH", one.sql) and link.pgconn.transaction_status == 2:
                    exchange(link, [Statement("SAVEPOINT look")])
                    (said,) = exchange(link, [Statement(EXPLAIN + one.sql, one.oids, one.values)])
                    self.take(one.sql, json.loads(said.get_value(0, 0))[0]["Plan"])
                    exchange(link, [Statement("ROLLBACK TO look")])
                results += exchange(link, [one])
            return results

        return explaining

    def in_reader(self, connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        """Before SQLAlchemy sends a question."""
        if re.match(r"SELECT|WITH", statement):
            asking = connection.connection.driver_connection.cursor()
            ((plan,),) = asking.execute(EXPLAIN + statement, parameters).fetchone()
            self.take(statement, plan["Plan"])


def steps(plan: dict[str, Any], depth: int = 1) -> Iterator[str]:
    """The plan as people read it."""
    which = (
        "Node Type",
        "Index Name",
        "Relation Name",
        "Index Cond",
        "Filter",
        "Actual Rows",
        "Rows Removed by Filter",
    )
    yield "  " * depth + ", ".join(str(plan[what]) for what in which if what in plan)
    for inner in plan.get("Plans", ()):
        yield from steps(inner, depth + 1)


def looked_at(plan: dict[str, Any]) -> Iterator[int]:
    """Rows of tables that grow, at each step that reads one."""
    if plan.get("Relation Name") in GROWING and "Scan" in plan["Node Type"]:
        removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        yield round((plan["Actual Rows"] + removed) * plan["Actual Loops"])
    for inner in plan.get("Plans", ()):
        yield from looked_at(inner)


def fill(url: str, finished: int, waiting: int) -> None:
    """What ended over the last month, what is new, and what waits for later: asleep, for a signal, for a person, behind a limit."""

    def name(n: int) -> str:
        return first_id(NOON - 30 * DAY + n * 1_000)[:10] + f"{n:016}"

    def executor(n: int) -> str:
        return "long-quiet" if n < finished // 4 and n % 2 else f"x-{n % 20}"

    whole = finished + waiting
    with psycopg.connect(url) as db:
        db.execute("SET synchronous_commit = off")
        cursor = db.cursor()
        with cursor.copy(
            "COPY events (id, source, key, type, namespace, model, time, received_at, payload, executors, state) FROM STDIN"
        ) as copy:
            for n in range(whole):
                copy.write_row(
                    (name(n), f"webhook:{executor(n)}", str(n), "push", "", "", n, n, "{}", "[]", int(n < finished))
                )
        with cursor.copy(
            "COPY deliveries (id, event_id, executor, outcome, reason, execution_id, created_at, evaluation) FROM STDIN"
        ) as copy:
            for n in range(whole):
                outcome = "failed" if n % 500 == 1 else "started"
                copy.write_row((f"{name(n)}.x", name(n), executor(n), outcome, "so.", name(n), n, "{}"))
        with cursor.copy(
            "COPY executions (id, workflow, status, args, requested_by, executor, event_id, attempts, retries, crashes, "
            "priority, concurrency_key, epoch, base_epoch, due_at, created_at, finished_at, revision, idempotency_key) FROM STDIN"
        ) as copy:
            for n in range(whole):
                status, due, ended = ("FAILED" if n % 40 == 7 else "SUCCESS"), None, NOON - DAY
                if n >= finished:
                    status = ("PENDING", "WAITING", "WAITING", "PENDING_RETRY")[n % 4]
                    due, ended = (None if n % 4 == 2 else NOON + 40 * DAY + n), None
                workflow = ("adding", "asking", "other", "more")[n // 4 % 4]
                copy.write_row(
                    (name(n), workflow, status, "{}", "", executor(n), name(n), 1, 0, 0, n % 3, str(n % 100), 1, 0, due,
                     NOON - 30 * DAY, ended, "r", f"key {n}")
                )  # fmt: skip
        with cursor.copy(
            "COPY checkpoints (execution_id, path, name, status, args, args_hash, result, attempts, handled, epoch, started_at, "
            "finished_at) FROM STDIN"
        ) as copy:
            for n in range(whole):
                copy.write_row((name(n), "main", "main", "SUCCESS", "{}", "", "1", 1, 0, 1, 1, 1))
        with cursor.copy(
            "COPY waits (execution_id, path, name, kind, key, args, state, deadline, created_at) FROM STDIN"
        ) as copy:
            for n in range(finished, whole):
                kind = ("sleep", "signal", "point", "execution")[n // 2 % 4]
                if n % 4 in (1, 2):
                    copy.write_row((name(n), "main", "w", kind, f"k-{n}", "{}", "WAITING", NOON + 40 * DAY + n, n))
        db.commit()
        db.autocommit = True
        db.execute("ANALYZE")


async def looks(bench: Bench) -> None:
    """What faces ask: pages of every list, counts within bounds, one thing by its id."""
    store = bench.store
    for workflow in (None, "adding", "nothing"):
        for status in (None, Status.FAILED, Status.WAITING, Status.RUNNING, Status.CANCELED):
            for executor in (None, "x-3", "long-quiet", "nobody"):
                await store.list_executions(
                    workflow=workflow, status=status, executor=executor, since=None, before=None, limit=50
                )
    (newest, *_) = await store.list_executions(
        workflow=None, status=None, executor=None, since=None, before=None, limit=2
    )
    for executor in (None, "x-3", "long-quiet"):
        for outcome in (None, "failed", "started"):
            await store.list_events(executor=executor, outcome=outcome, since=None, before=None, limit=50)
    await store.list_deliveries("long-quiet", None, 50)
    await store.list_slots("x-3", None, 50)
    await store.list_wait_points(execution_id=None, open_only=True, before=None, limit=50)
    for kind in ("point", "outcome"):
        await store.waits(execution_id=None, kind=kind, open_only=True, limit=50)
    await store.next_schedules(25, (NOON, "x-3"))
    await store.fires_of(["x-3"])
    await store.execution(newest.id)
    await store.deliveries(event_ids=[newest.event_id or ""])
    await store.logs(newest.id)
    await store.lost([(newest.id, 1)])
    await store.next_due(["adding", "asking", "nothing"])
    await store.failed_executions(NOON, 50)
    await store.failed_deliveries(NOON - 3_600_000, 50)
    await store.children_of(newest.id, 50)
    await store.oldest_new_event()
    await store.sources_between(NOON - 60_000, NOON)
    await store.outcomes_between(NOON - 60_000, NOON)
    await store.count_running("adding")
    await store.nodes()


def explained(url: str, monkeypatch: pytest.MonkeyPatch, *stories: Callable[[Bench], Awaitable[None]]) -> Costs:
    costs = Costs()
    monkeypatch.setattr(Link, "exchange", costs.in_writer(Link.exchange))

    async def whole(bench: Bench) -> None:
        event.listen(bench.store._dialect.engine(), "before_cursor_execute", costs.in_reader)
        for story in stories:
            await story(bench)

    play(whole, lambda: Bench(url, [adding, asking], clock=StillClock(), inline=True))
    return costs


@pytest.fixture(params=[(20_000, 4_000), pytest.param((200_000, 20_000), marks=pytest.mark.long)], ids=str)
def filled(request: pytest.FixtureRequest, postgres_url: str) -> str:
    async def make() -> None:
        await open_store(postgres_url, StillClock()).close()

    asyncio.run(make())
    fill(postgres_url, *request.param)
    return postgres_url


@pytest.mark.timeout(300)
def test_no_statement_looks_at_more_than_it_is_asked_for(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    costs = explained(filled, monkeypatch, a_day, looks)
    assert len(costs.found) > 80, "the statements were heard"
    said = [f"{cost.rows} rows, {cost.pages} pages: {text}\n{cost.plan}" for text, cost in costs.too_high().items()]
    assert not said, "\n\n".join(said)


@pytest.mark.parametrize("index", ["executions_executor", "waits_open"])
def test_an_index_that_is_missing_in_postgresql_is_seen(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, index: str
) -> None:
    made = open_store(postgres_url, StillClock())
    asyncio.run(made.close())
    fill(postgres_url, 5_000, 3_000)
    with psycopg.connect(postgres_url, autocommit=True) as db:
        found = db.execute("SELECT pg_get_indexdef(%s::regclass)", [index]).fetchone()
        assert found is not None
        db.execute(f"DROP INDEX {index}")  # type: ignore[call-overload]  # one of those above
        try:
            assert explained(postgres_url, monkeypatch, a_day, looks).too_high() != {}
        finally:
            db.execute(found[0])
