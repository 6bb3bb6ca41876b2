"""Stores of earlier versions: they become the present one whole or not at all, and those of a later one are refused."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import textwrap
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from kit import FakeClock
from sqlalchemy import Column, Engine, event, inspect, text
from sqlalchemy.exc import DatabaseError
from sqlmodel import SQLModel

from hub.model.errors import StoreUnavailable
from hub.model.event import NewEvent, StoredEvent
from hub.model.execution import Settled, StartRequest, Status
from hub.store import Store, open_store, opening
from hub.store.claims import Claimable, ClaimRequest
from hub.store.dialects import postgres
from hub.store.dialects.choosing import dialect_for
from hub.store.dialects.postgres import PostgresDialect
from hub.store.migrations.types import WORD
from hub.store.tables import SCHEMA_VERSION
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.request import RawRequest
from hub.triggers.webhook.scheme import Scheme

SCHEMAS = Path(__file__).parent / "schemas"

ROW = (
    "INSERT INTO executions (id, workflow, status, args, requested_by, attempts, retries, crashes, priority, concurrency_key, "
    "epoch, base_epoch, due_at, created_at) VALUES ('E1', 'orders', 'PENDING', '{}', '', 0, 0, 0, 0, '', 0, 0, 5, 5)"
)


def run(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Raw statements; the rows of the last one."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        for statement in statements[:-1]:
            connection.executescript(statement)
        found = connection.execute(statements[-1]).fetchall()
        connection.commit()
        connection.close()
        return found
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, quick_path: Path) -> str:
    """An address where nothing was ever made."""
    if request.param == "sqlite":
        return f"sqlite:///{quick_path}/hub.db"
    return str(request.getfixturevalue("new_postgres_url"))


@pytest.fixture(params=[1, 2, 3, 4])
def old(request: pytest.FixtureRequest, url: str) -> str:
    """A store of an earlier version with an execution in it."""
    kind = "sqlite" if url.startswith("sqlite") else "postgres"
    run(url, (SCHEMAS / f"{request.param}.{kind}.sql").read_text(), ROW)
    return url


#: The store that has the longest way to go.
OLDEST = pytest.mark.parametrize("old", [1], indirect=True)


def open_and_close(url: str) -> None:
    asyncio.run(open_store(url, FakeClock(), checkpoints=False).close())


def version(url: str) -> str:
    return str(run(url, "SELECT value FROM meta WHERE key = 'schema'")[0][0])


def differences(url: str) -> list[Any]:
    """What the tables lack, or have too much, against those that are declared."""
    dialect = dialect_for(url, checkpoints=False)
    with dialect.engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, SQLModel.metadata)
    dialect.close()
    # SQLite does not say in which order an index of an expression is.
    return [one for one in found if "executions_due" not in str(one) and "executions_sunk" not in str(one)]


def columns(url: str) -> list[tuple[Any, ...]]:
    """What PostgreSQL knows of each column, the collation with it."""
    return run(
        url,
        "SELECT table_name, column_name, data_type, collation_name, is_nullable, column_default FROM information_schema.columns "
        "WHERE table_schema = 'public' ORDER BY 1, 2",
    )


def test_the_steps_lead_to_the_tables_that_are_declared(old: str) -> None:
    open_and_close(old)
    assert version(old) == str(SCHEMA_VERSION)
    assert differences(old) == [], (
        "write what was added to hub/store/tables/ into the newest step of hub/store/migrations"
    )
    assert run(old, "SELECT id, workflow, after_id FROM executions") == [("E1", "orders", None)]


@pytest.mark.parametrize("old", [1, 2], indirect=True)  # the third takes it back itself
def test_what_an_earlier_version_cancelled_asks_nothing_any_more(old: str) -> None:
    asked = (
        "INSERT INTO waits (execution_id, path, name, kind, key, args, state, created_at) "
        "VALUES ('{}', 'main', 'approval', 'point', 'approval', '{{}}', 'WAITING', 5)"
    )
    canceled = ROW.replace("'E1'", "'E2'").replace("'PENDING'", "'CANCELED'")
    run(old, canceled, "UPDATE executions SET finished_at = 7 WHERE id = 'E2'", asked.format("E1"), asked.format("E2"))
    open_and_close(old)
    found = run(old, "SELECT execution_id, state, resolved_at FROM waits ORDER BY execution_id")
    assert found == [("E1", "WAITING", None), ("E2", "DROPPED", 7)]


@pytest.mark.parametrize("old", [1, 2, 3], indirect=True)  # they had the whole hash
def test_a_body_that_an_earlier_version_took_is_known(old: str) -> None:
    """Another id for a captured request does not make it another delivery, whichever version has taken the first one."""
    body = b'{"ref": "main"}'
    run(
        old,
        "INSERT INTO events (id, source, type, namespace, model, time, received_at, payload, executors, state, body_key) VALUES "
        f"('V1', 'webhook:push', 'push', '', '', 5, 5, '{{}}', '[]', 1, '{b64encode(sha256(body).digest()).decode()}')",
    )
    receiver = Endpoint("push", Scheme("none", ()), None, body_unique=True)
    key = receiver.body_key(RawRequest("POST", "/webhooks/push", [], body))

    async def story() -> None:
        store = open_store(old, FakeClock(), checkpoints=False)
        again = NewEvent("webhook:push", "another", "push", 5, {}, body=body, body_key=key)
        assert await store.store_event(again) == StoredEvent("V1", duplicate=True)
        await store.close()

    asyncio.run(story())


def test_a_new_store_is_no_different_from_an_old_one_that_was_led_there(
    new_postgres_url: str, postgres_url: str
) -> None:
    open_and_close(postgres_url)
    run(new_postgres_url, (SCHEMAS / "1.postgres.sql").read_text())
    open_and_close(new_postgres_url)
    made, led = columns(postgres_url), columns(new_postgres_url)
    assert set(led) == set(made)
    assert all(collation == "C" for _, _, kind, collation, *_ in made if kind in ("text", "character varying"))


def test_the_comparison_finds_a_forgotten_column(old: str) -> None:
    open_and_close(old)
    run(old, "ALTER TABLE waits DROP COLUMN choice")
    assert [one[0] for one in differences(old)] == ["add_column"]


def test_many_open_a_store_at_once(old: str) -> None:
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(open_and_close, [old] * 6))
    assert version(old) == str(SCHEMA_VERSION)
    assert differences(old) == []


def test_many_make_a_store_at_once(url: str) -> None:
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(open_and_close, [url] * 6))
    assert version(url) == str(SCHEMA_VERSION)
    assert differences(url) == []


def test_a_store_of_a_newer_hub_is_refused_and_who_works_on_it_goes_on(old: str) -> None:
    async def story() -> None:
        store = open_store(old, FakeClock(), checkpoints=False)
        run(old, "UPDATE meta SET value = '999' WHERE key = 'schema'")
        with pytest.raises(StoreUnavailable, match=r"has schema 999 and this hub knows \d+: a newer hub has used it"):
            open_store(old, FakeClock())
        await store.start(StartRequest("E2", "orders", "{}", None, 5))
        await store.close()

    asyncio.run(story())
    assert run(old, "SELECT id FROM executions ORDER BY id") == [("E1",), ("E2",)]


def test_two_versions_work_side_by_side(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node goes on while another one, of the next version, brings the schema up to date and works beside it."""

    def climb(op: Operations) -> None:
        op.add_column("executions", Column("tomorrow", WORD))
        op.create_table("tomorrows", Column("id", WORD, primary_key=True))

    tomorrow = ModuleType(f"hub.store.migrations.step_{SCHEMA_VERSION + 1}")
    tomorrow.climb = climb  # type: ignore[attr-defined]  # as a step has it
    monkeypatch.setitem(sys.modules, tomorrow.__name__, tomorrow)

    async def run_some(store: Store, node: str, first: int) -> int:
        """Start, claim and settle; how many came to their end."""
        done = 0
        for number in range(first, first + 20):
            await store.start(StartRequest(f"X{number:04}", "orders", "{}", None, 5))
            for claimed in await store.claim(ClaimRequest(node, (Claimable("orders", "r"),), 2, 10)):
                done += 1
                await store.settle(Settled(claimed.id, claimed.epoch, Status.SUCCESS, 10, result="1"))
        return done

    async def story() -> None:
        older = open_store(old, FakeClock(), checkpoints=False)
        working = asyncio.create_task(run_some(older, "older", 0))
        await asyncio.sleep(0)
        monkeypatch.setattr(opening, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
        newer = await asyncio.to_thread(open_store, old, FakeClock(), checkpoints=False)
        assert version(old) == str(SCHEMA_VERSION + 1)
        both = await asyncio.gather(working, run_some(newer, "newer", 100), run_some(older, "older", 200))
        assert sum(both) == 60 + 1  # and the one that was there before
        monkeypatch.setattr(opening, "SCHEMA_VERSION", SCHEMA_VERSION)
        with pytest.raises(StoreUnavailable, match="a newer hub has used it"):
            open_store(old, FakeClock())
        await older.close()
        await newer.close()

    asyncio.run(story())


#: Opens the store again and again, and ends at the first statement, at the second one, … without tidying anything up.
KILLED = textwrap.dedent(
    """
    import os, sys
    from sqlalchemy import event
    from sqlalchemy.engine import Engine
    from hub.store.dialects.choosing import dialect_for
    from hub.store import opening, tables
    import hub.store.migrations, hub.store.migrations.step_2, hub.store.migrations.step_3, hub.store.migrations.step_4

    def once(at):
        seen = 0
        @event.listens_for(Engine, "before_cursor_execute")
        def count(*_):
            nonlocal seen
            seen += 1
            if seen == at:
                os._exit(9)
        opening.prepare(dialect_for(sys.argv[1], checkpoints=False))
        os._exit(0)

    at = stride = int(sys.argv[2])
    while True:
        child = os.fork()
        if child == 0:
            once(at)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(at, status, flush=True)
        if status != 9 or sys.stdin.readline() != "go on\\n":
            break
        at += stride
    """
)


@OLDEST
@pytest.mark.parametrize("stride", [17, pytest.param(1, marks=pytest.mark.long)])
def test_killed_at_a_statement_it_is_the_old_store_or_the_new_one(old: str, stride: int) -> None:
    points, states = 0, set()
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, old, str(stride)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for line in child.stdout:
            _, status = line.split()
            if status != "9":
                assert status == "0"
                break
            points += 1
            states.add((version(old), _has(old, "audit"), _has(old, "commits"), _has_column(old)))
            child.stdin.write("go on\n")
            child.stdin.flush()
    assert points * stride > 25
    assert states == {("1", False, False, False)}, "nothing of it is there before all of it is"
    assert version(old) == str(SCHEMA_VERSION)
    assert differences(old) == []


@pytest.mark.parametrize("stride", [17, pytest.param(1, marks=pytest.mark.long)])
def test_cut_off_by_the_server_at_a_statement_it_is_the_old_store_or_the_new_one(
    new_postgres_url: str, stride: int
) -> None:
    """The process lives on, is told, and tries again."""
    run(new_postgres_url, (SCHEMAS / "1.postgres.sql").read_text(), ROW)
    dialect = dialect_for(new_postgres_url, checkpoints=False)
    points = 0
    for at in count(stride, stride):
        seen = 0

        def cut(_connection: Any, cursor: Any, *_: Any, at: int = at) -> None:
            nonlocal seen
            seen += 1
            if seen == at:
                run(new_postgres_url, f"SELECT pg_terminate_backend({cursor.connection.info.backend_pid}, 5000)")

        event.listen(Engine, "before_cursor_execute", cut)
        said = ""
        try:
            opening.prepare(dialect)
        except StoreUnavailable as error:
            said = str(error)
        finally:
            event.remove(Engine, "before_cursor_execute", cut)
        if not said:
            break
        assert "terminating connection" in said
        points += 1
        assert (version(new_postgres_url), _has(new_postgres_url, "audit")) == ("1", False)
    assert points * stride > 25
    dialect.close()
    assert version(new_postgres_url) == str(SCHEMA_VERSION)
    assert differences(new_postgres_url) == []


def _has(url: str, table: str) -> bool:
    return _works(lambda: run(url, f"SELECT count(*) FROM {table}"))


def _has_column(url: str) -> bool:
    return _works(lambda: run(url, "SELECT after_id FROM executions"))


def _works(question: Callable[[], object]) -> bool:
    try:
        question()
    except (sqlite3.OperationalError, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        return False
    return True


def test_whoever_stands_still_while_he_changes_the_schema_is_thrown_out(
    new_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_CHANGES", postgres._CHANGES.replace("session_timeout=30s", "session_timeout=1s"))
    frozen, other = PostgresDialect(new_postgres_url), PostgresDialect(new_postgres_url)

    def stand_still() -> None:
        with frozen.changing_schema() as changing:
            changing.execute(text("CREATE TABLE half (made text)"))
            with other.changing_schema() as going_on:
                assert not inspect(going_on).has_table("half")

    with pytest.raises(DatabaseError, match="idle-in-transaction"):
        stand_still()
