"""Jobs whose result is committed with their writes: what users see of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from kit import PATIENCE, Bench, of
from pydantic import BaseModel

from hub import Context, RetryPolicy, job, workflow
from hub.assembly.kept_results import ResultPruner
from hub.assembly.retention import Pruner
from hub.declare.config import Retention
from hub.model.execution import Status
from hub.model.identity import MachineUser
from hub.store.databases import Database, Transaction

KEEPER = MachineUser("main", "keeper", {}, ("database:write:*", "workflow:start:*"))


class Receipt(BaseModel):
    number: int
    on: date


@pytest.fixture
def shop(quick_path: Path) -> Iterator[Database]:
    database = Database("shop", f"sqlite:///{quick_path}/shop.db")
    database.run("CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT)")
    yield database
    database.close()


def _tables(shop: Database) -> set[str]:
    return {row["name"] for row in shop.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _orders(shop: Database) -> list[str]:
    return [row["name"] for row in shop.rows("SELECT name FROM orders ORDER BY id")]


def _order(tx: Transaction, name: str) -> None:
    tx.run("INSERT INTO orders (name) VALUES (:name)", name=name)


def test_the_result_has_its_type_and_is_stored_in_both_places(tell: Any, shop: Database) -> None:
    @job(transaction="shop")
    def place(input: str, ctx: Context) -> Receipt:
        _order(ctx.transaction, input)
        return Receipt(number=1, on=date(2026, 3, 29))

    @job
    async def main(ctx: Context) -> str:
        receipt = await place.trigger("a")
        assert isinstance(receipt, Receipt)
        return receipt.on.isoformat()

    async def story(bench: Bench) -> None:
        record = await bench.run("placing", invoker=KEEPER)
        assert record.result == "2026-03-29"
        assert of(record, "main/place").result == '{"number":1,"on":"2026-03-29"}'
        (kept,) = shop.rows("SELECT * FROM _hub_results")
        assert (kept["execution_id"], kept["path"]) == (record.id, "main/place")
        assert kept["result"] == of(record, "main/place").result

    tell(story, workflow("placing", main), users=[KEEPER], databases={"shop": shop})
    assert _orders(shop) == ["a"]


def test_a_failure_rolls_both_back_and_the_next_try_is_a_fresh_one(tell: Any, shop: Database) -> None:
    @job(transaction="shop", retry=RetryPolicy(max_retries=2))
    async def place(ctx: Context) -> int:
        _order(ctx.transaction, f"try {ctx.attempt}")
        if ctx.attempt == 1:
            raise ConnectionError("not yet")
        return ctx.attempt

    @job
    async def main() -> int:
        return await place.trigger()

    async def story(bench: Bench) -> None:
        assert await bench.succeed("placing", invoker=KEEPER) == 2

    tell(story, workflow("placing", main), users=[KEEPER], databases={"shop": shop})
    assert _orders(shop) == ["try 2"]


def test_what_was_committed_is_the_result_whatever_comes_after(tell: Any, shop: Database) -> None:
    @job
    def place(ctx: Context) -> int:
        with ctx.database("shop").transaction() as tx:
            _order(tx, "once")
            tx.result(7)
        raise ValueError("too late")

    async def story(bench: Bench) -> None:
        record = await bench.run("placing", invoker=KEEPER)
        assert record.status is Status.SUCCESS
        assert record.result == 7
        (line,) = await bench.store.logs(record.id)
        assert line[1].message == "after its transaction was committed: ValueError: too late"

    tell(story, workflow("placing", place), users=[KEEPER], databases={"shop": shop})
    assert _orders(shop) == ["once"]


def test_a_result_that_is_no_json_rolls_the_writes_back(tell: Any, shop: Database) -> None:
    @job(transaction="shop")
    def place(ctx: Context):
        _order(ctx.transaction, "never")
        return {"at": {1, 2}}

    async def story(bench: Bench) -> None:
        record = await bench.run("placing", invoker=KEEPER)
        assert record.status is Status.FAILED
        assert record.error is not None
        assert record.error["message"] == "$.at: set is not JSON"

    tell(story, workflow("placing", place), users=[KEEPER], databases={"shop": shop})
    assert _orders(shop) == []


def test_an_ordinary_transaction_leaves_no_table_of_ours(tell: Any, shop: Database) -> None:
    @job
    def place(ctx: Context) -> None:
        with ctx.database("shop").transaction() as tx:
            _order(tx, "plain")
        ctx.database("shop").run("INSERT INTO orders (name) VALUES ('alone')")

    async def story(bench: Bench) -> None:
        await bench.succeed("placing", invoker=KEEPER)

    tell(story, workflow("placing", place), users=[KEEPER], databases={"shop": shop})
    assert _tables(shop) == {"orders"}
    assert _orders(shop) == ["plain", "alone"]


def test_two_workers_at_once_commit_once(tell: Any, shop: Database) -> None:
    """The first worker was taken for dead and goes on: it and its successor run the same call."""
    first, second = threading.Event(), threading.Event()
    runs: list[int] = []

    @job
    def place(ctx: Context) -> int:
        runs.append(1)
        mine = len(runs)
        if mine == 1:
            second.set()
            assert first.wait(PATIENCE)
        with ctx.database("shop").transaction() as tx:
            _order(tx, f"by {mine}")
            return tx.result(mine)

    async def story(bench: Bench) -> None:
        execution_id = await bench.start("placing", invoker=KEEPER)
        await bench.worker.run_once()
        assert await asyncio.to_thread(second.wait, PATIENCE)
        (run,) = bench.worker.runs
        bench.clock.advance(60)
        await bench.store.rescue([bench.node])
        await bench.worker.run_once()
        async with asyncio.timeout(PATIENCE):
            while _orders(shop) != ["by 2"]:  # noqa: ASYNC110 - another thread's commit
                await asyncio.sleep(0.001)
        first.set()
        await bench.work()
        assert run.stopped
        assert (await bench.record(execution_id)).result == 2

    tell(story, workflow("placing", place), users=[KEEPER], databases={"shop": shop})
    assert _orders(shop) == ["by 2"]
    assert len(runs) == 2


def test_async_jobs_that_wait_for_the_lock_hold_nobody_up(tell: Any, shop: Database) -> None:
    @job(transaction="shop")
    async def place(input: int, ctx: Context) -> int:
        _order(ctx.transaction, str(input))
        await asyncio.sleep(0.001)  # with the write lock, in a loop that all of them share
        return input

    @job
    async def main() -> list[int]:
        return await asyncio.gather(*[place.trigger(number) for number in range(30)])

    async def story(bench: Bench) -> None:
        assert await bench.succeed("placing", invoker=KEEPER) == list(range(30))

    tell(story, workflow("placing", main), users=[KEEPER], databases={"shop": shop})
    assert len(_orders(shop)) == 30


def test_a_timeout_while_it_waits_leaves_no_transaction_open(tell: Any, shop: Database) -> None:
    @job(timeout="50ms")
    async def place(ctx: Context) -> None:
        async with ctx.database("shop").transaction() as tx:
            _order(tx, "late")
            await asyncio.sleep(5)

    async def story(bench: Bench) -> None:
        record = await bench.run("placing", invoker=KEEPER)
        assert record.error is not None
        assert record.error["type"] == "JobTimeout"
        shop.run("INSERT INTO orders (name) VALUES ('after')")  # the lock is free

    tell(story, workflow("placing", place), users=[KEEPER], databases={"shop": shop})
    assert _orders(shop) == ["after"]


def test_other_arguments_do_not_get_the_result_of_the_first(tell: Any, shop: Database) -> None:
    @job
    def place(input: int, ctx: Context) -> int:
        with ctx.database("shop").transaction() as tx:
            return tx.result(input)

    async def story(bench: Bench) -> None:
        execution_id = await bench.start("placing", 1, invoker=KEEPER)
        await bench.work()
        shop.run("UPDATE _hub_results SET execution_id = 'another', args_hash = 'other'")
        second = await bench.start("placing", 1, invoker=KEEPER)
        shop.run("UPDATE _hub_results SET execution_id = :id", id=second)
        await bench.work()
        failed = await bench.record(second)
        assert failed.status is Status.FAILED
        assert "with other arguments" in failed.error["message"]
        assert (await bench.record(execution_id)).result == 1

    tell(story, workflow("placing", place), users=[KEEPER], databases={"shop": shop})


def test_outside_its_place_there_is_advice(shop: Database, tell: Any) -> None:
    with pytest.raises(Exception, match="take the database from its context"), shop.transaction() as tx:
        tx.result(1)

    @job
    async def main(ctx: Context) -> None:
        ctx.transaction.rows("SELECT 1")

    async def story(bench: Bench) -> None:
        record = await bench.run("placing", invoker=KEEPER)
        assert record.error is not None
        assert '@job(transaction="…")' in record.error["message"]

    tell(story, workflow("placing", main), users=[KEEPER])


def test_results_go_with_their_executions(tell: Any, shop: Database) -> None:
    @job(transaction="shop")
    def place(input: str, ctx: Context) -> str:
        _order(ctx.transaction, input)
        return input

    async def story(bench: Bench) -> None:
        await bench.run("placing", "old", invoker=KEEPER)
        bench.clock.advance(100)
        new = await bench.run("placing", "new", invoker=KEEPER)
        retention = Retention(events=50_000, executions=50_000)
        pruner = ResultPruner(bench.store, {"shop": shop}, bench.clock, retention)
        assert await pruner.run_once() == 0, "both executions are stored"
        await Pruner(bench.store, bench.clock, retention).run_once()
        assert await pruner.run_once() == 1
        assert [row["execution_id"] for row in shop.rows("SELECT execution_id FROM _hub_results")] == [new.id]

    tell(story, workflow("placing", place), users=[KEEPER], databases={"shop": shop})


@pytest.mark.parametrize("how", ["async", "plain"])
def test_a_step_writes_in_a_transaction_and_is_not_repeated(tell: Any, shop: Database, how: str) -> None:
    """Its second try finds the result of the first beside the orders."""
    tries: list[int] = []

    def place(tx: Transaction, *names: str) -> int:
        for name in names:
            _order(tx, name)
        return len(names)

    async def place_async(tx: Transaction, *names: str) -> int:
        return place(tx, *names)

    @job
    async def main(ctx: Context) -> int:
        tries.append(1)
        return await ctx.step.run("place", place if how == "plain" else place_async, "a", "b", transaction="shop")

    async def story(bench: Bench) -> None:
        checkpoint = bench.store.checkpoint
        lost: list[str] = []

        async def lose(write: Any) -> None:
            if write.checkpoint.path == "main/place" and not lost:
                lost.append(write.checkpoint.result)
                raise RuntimeError("the process ended here")
            await checkpoint(write)

        bench.store.checkpoint = lose  # type: ignore[method-assign]
        record = await bench.run("placing", invoker=KEEPER)
        assert (record.status, lost, _orders(shop)) == (Status.FAILED, ["2"], ["a", "b"])
        await bench.store.resume(record.id)
        await bench.work()
        record = await bench.record(record.id)
        assert (record.status, record.result, len(tries)) == (Status.SUCCESS, 2, 2)
        assert _orders(shop) == ["a", "b"]

    tell(story, workflow("placing", main), users=[KEEPER], databases={"shop": shop})


def test_what_a_database_refuses_is_told_without_the_values(tell: Any, shop: Database) -> None:
    @job(name="main-job")
    def main(ctx: Context) -> None:
        ctx.database("shop").run("INSERT INTO orders (id, name) VALUES (:id, :name)", id=1, name="of Ada Lovelace")
        ctx.database("shop").run("INSERT INTO orders (id, name) VALUES (:id, :name)", id=1, name="of Ada Lovelace")

    async def story(bench: Bench) -> None:
        error = (await bench.run("refused", invoker=KEEPER)).error
        assert "UNIQUE constraint failed: orders.id" in error["message"]
        assert "Lovelace" not in error["message"]

    tell(story, workflow("refused", main), users=[KEEPER], databases={"shop": shop})
