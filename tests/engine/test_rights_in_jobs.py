"""What a job may do is what its invoker may at this moment, and never more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kit import Bench, FakeClock, play

from hub import Context, job, workflow
from hub.engine.surroundings import Surroundings
from hub.model.execution import ExecutionRecord, Status
from hub.model.identity import MachineUser
from hub.store.databases import Database

SECRETS = {"KEY": "the-key-to-everything"}


def user(*permissions: str, name: str = "bot") -> MachineUser:
    return MachineUser("main", name, {}, ("workflow:start:*", *permissions))


@job
def read(input: Any, ctx: Context) -> list[Any]:
    return ctx.database("shop").rows("SELECT n FROM numbers")


@job
def write(input: Any, ctx: Context) -> int:
    return ctx.database("shop").run("INSERT INTO numbers VALUES (2)")


@job
def write_in_disguise(input: Any, ctx: Context) -> list[Any]:
    return ctx.database("shop").rows("INSERT INTO numbers VALUES (3) RETURNING n")


@job(transaction="shop")
def write_in_a_transaction(input: Any, ctx: Context) -> int:
    return ctx.transaction.run("INSERT INTO numbers VALUES (4)")


@job
def tell(input: Any, ctx: Context) -> int:
    return len(ctx.secret("KEY"))


DOINGS = [read, write, write_in_disguise, write_in_a_transaction, tell]


def surroundings_of(root: Path, *users: MachineUser) -> Surroundings:
    shop = Database("shop", f"sqlite:///{root}/shop.db")
    shop.run("CREATE TABLE IF NOT EXISTS numbers (n INTEGER)")
    return Surroundings(
        machine_users={"main": {one.name: one for one in users}}, databases={"shop": shop}, secret=SECRETS.__getitem__
    )


def ran(root: Path, doing: Any, invoker: MachineUser | None) -> ExecutionRecord:
    """One execution of one job, as somebody or nobody."""
    flow = workflow(name="doing-it", main_job=doing)

    async def story(bench: Bench) -> ExecutionRecord:
        bench.surroundings = surroundings_of(root, *([] if invoker is None else [invoker]))
        bench.worker.replace(bench.registry, bench.surroundings)
        record = await bench.run("doing-it", invoker=invoker)
        bench.surroundings.databases["shop"].close()
        return record

    found: ExecutionRecord = play(story, lambda: Bench("sqlite://", [flow], clock=FakeClock()))
    return found


def rows(root: Path) -> list[Any]:
    shop = Database("shop", f"sqlite:///{root}/shop.db")
    found = [row["n"] for row in shop.rows("SELECT n FROM numbers")]
    shop.close()
    return found


@pytest.mark.parametrize(
    ("permissions", "may"),
    [
        ((), set()),
        (("database:read:shop",), {"read", "write_in_disguise"}),
        (("database:read:other", "database:write:other"), set()),
        (("database:write:shop",), {"read", "write", "write_in_disguise", "write_in_a_transaction"}),
        (("database:*:s*",), {"read", "write", "write_in_disguise", "write_in_a_transaction"}),
        (("secret:read:KEY",), {"tell"}),
        (("secret:read:OTHER",), set()),
        (("admin",), {"read", "write", "write_in_disguise", "write_in_a_transaction", "tell"}),
    ],
)
def test_a_job_may_what_its_invoker_may(quick_path: Path, permissions: tuple[str, ...], may: set[str]) -> None:
    for doing in DOINGS:
        record = ran(quick_path, doing, user(*permissions))
        assert (record.status is Status.SUCCESS) is (doing.function.__name__ in may), (doing.name, record.error)
        if record.error is not None:
            assert record.error["type"] == "Refused"
    written = {"write": 2, "write_in_a_transaction": 4}
    assert sorted(rows(quick_path)) == sorted(number for name, number in written.items() if name in may), (
        "what only looks like reading leaves nothing behind"
    )


@pytest.mark.parametrize("doing", DOINGS, ids=lambda one: one.name)
def test_nobody_reaches_nothing_that_is_protected(quick_path: Path, doing: Any) -> None:
    record = ran(quick_path, doing, None)
    assert record.status is Status.FAILED
    assert "an anonymous execution may not do this" in record.error["message"]


@pytest.mark.parametrize(
    "use",
    [
        lambda _ctx, held: held.run("INSERT INTO numbers VALUES (9)"),
        lambda _ctx, held: held.rows("SELECT 1"),
        lambda _ctx, held: held.transaction(),
        lambda ctx, _held: ctx.database("shop"),
        lambda ctx, _held: ctx.secret("KEY"),
    ],
    ids=["write", "read", "transaction", "database", "secret"],
)
def test_a_right_that_is_taken_away_is_gone_in_the_middle_of_a_job(
    quick_path: Path, use: Callable[[Context, Database], Any]
) -> None:
    middle, go_on = asyncio.Event(), asyncio.Event()

    @job
    async def hold_on(input: Any, ctx: Context) -> None:
        held = ctx.database("shop")
        use(ctx, held)
        middle.set()
        await go_on.wait()
        use(ctx, held)

    flow = workflow(name="holding-on", main_job=hold_on)
    before = user("database:write:shop", "secret:read:KEY")

    async def story(bench: Bench) -> None:
        bench.surroundings = surroundings_of(quick_path, before)
        bench.worker.replace(bench.registry, bench.surroundings)
        started = await bench.start("holding-on", invoker=before)
        working = asyncio.create_task(bench.work())
        await middle.wait()
        now = replace(bench.surroundings, machine_users={"main": {"bot": user()}})
        bench.worker.replace(bench.registry, now)
        go_on.set()
        await working
        record = await bench.record(started)
        assert (record.status, record.error["type"]) == (Status.FAILED, "Refused")
        now.databases["shop"].close()

    play(story, lambda: Bench("sqlite://", [flow], clock=FakeClock()))


def test_a_machine_user_that_is_gone_may_nothing(quick_path: Path) -> None:
    gone = user("admin")
    flow = workflow(name="doing-it", main_job=tell)

    async def story(bench: Bench) -> None:
        started = await bench.start("doing-it", invoker=gone)
        bench.worker.replace(bench.registry, surroundings_of(quick_path))
        await bench.work()
        record = await bench.record(started)
        assert record.status is Status.FAILED
        assert "bot" in record.error["message"]

    play(story, lambda: Bench("sqlite://", [flow], clock=FakeClock()))


def test_what_is_made_use_of_is_noted_once(quick_path: Path) -> None:
    noted: list[tuple[str, str, str]] = []
    flow = workflow(name="doing-it", main_job=write)

    async def story(bench: Bench) -> None:
        bot = user("database:write:shop", "secret:read:KEY")
        bench.surroundings = replace(
            surroundings_of(quick_path, bot), used=lambda one, action, name: noted.append((one.name, action, name))
        )
        bench.worker.replace(bench.registry, bench.surroundings)
        await bench.succeed("doing-it", invoker=bot)
        bench.surroundings.databases["shop"].close()

    play(story, lambda: Bench("sqlite://", [flow], clock=FakeClock()))
    assert set(noted) == {("bot", "workflow:start", "doing-it"), ("bot", "database:write", "shop")}
