"""Record events of PostgreSQL: what is put into the database, what is found amiss in it, and what is left at the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit import PATIENCE
from psycopg import errors, sql
from record_postgres import PostgresShop
from record_stand_ins import ALL, ORDERS, unavailable

from hub.model.clock import SystemClock
from hub.model.errors import Conflict
from hub.triggers.record_events.keeper import Keeper
from hub.triggers.record_events.postgres_text import PULSE_MS
from hub.triggers.record_events.watched import DatabaseUnavailable, Finding
from hub.triggers.record_events.watching import Watching


def tell(shop: PostgresShop, story: Callable[[], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        try:
            return await story()
        finally:
            await shop.watched.close()

    return asyncio.run(whole())


def events(shop: PostgresShop) -> list[tuple[str, Any, Any]]:
    return [(one["event"], one["new"], one["old"]) for one in shop.store.payloads]


async def findings(shop: PostgresShop, wanted: Any = ORDERS) -> list[Finding]:
    """What a check finds and mends; nothing is left to find after it."""
    found = await shop.watched.install(wanted)
    again = await shop.watched.install(wanted)
    assert again.changes == ()
    assert [one for one in again.findings if one.kind == "capture_gap"] == []
    return list(found.findings)


def test_what_is_put_in_is_all_taken_out(pg_shop: PostgresShop) -> None:
    before = pg_shop.catalogue()

    async def story() -> None:
        planned = await pg_shop.watched.plan(ORDERS)
        assert pg_shop.catalogue() == before
        done = await pg_shop.watched.install(ORDERS)
        assert done == planned
        assert {change.trigger for change in done.changes} == {
            "_hub_created", "_hub_updated", "_hub_deleted", "_hub_truncated",
        }  # fmt: skip
        own = [one for one in pg_shop.catalogue() if one not in before]
        assert all("_hub" in f"{kind} {name}" for kind, name, _ in own)
        assert [one for one in before if one not in pg_shop.catalogue()] == []
        assert (await pg_shop.watched.install(ORDERS)).changes == ()
        pg_shop.run("INSERT INTO orders (total) VALUES (1)")
        with pytest.raises(Conflict, match="1 changes wait"):
            await pg_shop.watched.uninstall()
        await pg_shop.watched.uninstall(discard=True)
        assert pg_shop.catalogue() == before
        await pg_shop.watched.uninstall()

    tell(pg_shop, story)


def test_what_others_have_put_on_our_schema_is_not_removed(pg_shop: PostgresShop) -> None:
    async def story() -> None:
        await pg_shop.watched.install(ORDERS)
        pg_shop.run("CREATE VIEW depth AS SELECT count(*) FROM _hub.outbox")
        before = pg_shop.catalogue()
        with pytest.raises(Conflict, match="view depth depends on"):
            await pg_shop.watched.uninstall()
        assert pg_shop.catalogue() == before
        pg_shop.run("DROP VIEW depth")
        pg_shop.run("CREATE TABLE _hub.mine (id int)")
        with pytest.raises(Conflict, match="mine"):
            await pg_shop.watched.uninstall()

    tell(pg_shop, story)


def test_a_schema_of_somebody_else_is_left_alone(pg_shop: PostgresShop) -> None:
    pg_shop.run("CREATE SCHEMA _hub")

    async def story() -> None:
        with pytest.raises(Conflict, match="Rename that schema"):
            await pg_shop.watched.install(ORDERS)
        await pg_shop.watched.uninstall()
        assert pg_shop.run("SELECT 1 FROM pg_namespace WHERE nspname = '_hub'") == [(1,)]

    tell(pg_shop, story)


VALUES = {
    "whole numeric": ("numeric(10, 2)", "500", 500.0),
    "numeric": ("numeric", "1.10", 1.1),
    "long numeric": ("numeric", "12345678901234567890.123456789", "12345678901234567890.123456789"),
    "not a number": ("numeric", "'NaN'", "NaN"),
    "bigint": ("bigint", "9223372036854775807", 2**63 - 1),
    "double": ("double precision", "0.1", 0.1),
    "infinite": ("double precision", "'-Infinity'", "-Infinity"),
    "timestamptz": ("timestamptz", "'2026-03-29 03:30:00.123456+02'", "2026-03-29T01:30:00.123456+00:00"),
    "timestamp": ("timestamp", "'2026-03-29 03:30:00'", "2026-03-29T03:30:00"),
    "date": ("date", "'2026-03-29'", "2026-03-29"),
    "interval": ("interval", "'1 day 2 hours'", "P1DT2H"),
    "bytea": ("bytea", r"'\x00ff'::bytea", "\\x00ff"),
    "uuid": ("uuid", "'00000000-0000-0000-0000-000000000005'", "00000000-0000-0000-0000-000000000005"),
    "array": ("int[]", "'{1,2,NULL}'", [1, 2, None]),
    "json": ("jsonb", """'{"a": [1, {"b": null}]}'""", {"a": [1, {"b": None}]}),
    "enum": ("mood", "'glad'", "glad"),
    "composite": ("pair", "ROW(1, 'x')", {"a": 1, "b": "x"}),
    "null": ("text", "NULL", None),
    "text": ("text", "E'a\\nb \\\\ \" \u2028 ä'", 'a\nb \\ " \u2028 ä'),
    "boolean": ("boolean", "true", True),
    "range": ("int4range", "'[1,5)'", "[1,5)"),
}


def test_values_as_json_whatever_the_session_is_set_to(pg_shop: PostgresShop) -> None:
    pg_shop.run("CREATE TYPE mood AS ENUM ('glad', 'sad')")
    pg_shop.run("CREATE TYPE pair AS (a int, b text)")
    columns = [sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, (kind, *_) in VALUES.items()]
    pg_shop.owner.execute(sql.SQL("CREATE TABLE things ({})").format(sql.SQL(", ").join(columns)))
    values = sql.SQL(", ").join([sql.SQL(value) for _, value, _ in VALUES.values()])

    async def story() -> None:
        await pg_shop.watched.install({"things": ALL})
        for setting in ("", "SET TimeZone = 'Asia/Kolkata'", "SET bytea_output = escape; SET IntervalStyle = sql_standard",
                        "SET extra_float_digits = -10; SET DateStyle = 'German'"):  # fmt: skip
            if setting:
                pg_shop.owner.execute(setting)  # type: ignore[call-overload]
            pg_shop.owner.execute(sql.SQL("INSERT INTO things VALUES ({})").format(values))
        pg_shop.run("RESET ALL")
        await pg_shop.drain_all()

    tell(pg_shop, story)
    expected = {name: value for name, (_, _, value) in VALUES.items()}
    assert [new for _, new, _ in events(pg_shop)] == [expected] * 4
    assert list(pg_shop.store.payloads[0]["new"]) == list(VALUES), "in the table's order"


def test_changes_of_the_schema_are_followed(pg_shop: PostgresShop) -> None:
    """Nothing is made anew for them: the function takes the row as it is."""

    async def story() -> None:
        await pg_shop.watched.install(ORDERS)
        pg_shop.run("INSERT INTO orders (total) VALUES (1)")
        pg_shop.run("ALTER TABLE orders ADD COLUMN note text DEFAULT 'new'")
        pg_shop.run("INSERT INTO orders (total) VALUES (2)")
        pg_shop.run("ALTER TABLE orders RENAME COLUMN note TO remark")
        pg_shop.run("ALTER TABLE orders ALTER COLUMN total TYPE text USING total::text || ' euro'")
        pg_shop.run("UPDATE orders SET remark = 'old' WHERE id = 2")
        pg_shop.run("ALTER TABLE orders DROP COLUMN status")
        pg_shop.run("DELETE FROM orders WHERE id = 2")
        assert await findings(pg_shop) == []
        await pg_shop.drain_all()

    tell(pg_shop, story)
    two = {"id": 2, "total": "2 euro", "status": None, "remark": "new"}
    assert events(pg_shop) == [
        ("created", {"id": 1, "total": 1, "status": None}, None),
        ("created", {"id": 2, "total": 2, "status": None, "note": "new"}, None),
        ("updated", two | {"remark": "old"}, two),
        ("deleted", None, {"id": 2, "total": "2 euro", "remark": "old"}),
    ]


async def _replica(shop: PostgresShop) -> None:
    shop.run("SET session_replication_role = replica")
    shop.run("INSERT INTO orders (total) VALUES (7)")
    shop.run("RESET session_replication_role")


def test_a_session_that_replicates_is_captured(pg_shop: PostgresShop) -> None:
    async def story() -> None:
        await pg_shop.watched.install(ORDERS)
        await _replica(pg_shop)
        assert await pg_shop.drain_all() == 1
        assert await findings(pg_shop) == []

    tell(pg_shop, story)


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (["ALTER TABLE orders DISABLE TRIGGER ALL"], "were disabled by somebody"),
        (
            ["ALTER TABLE orders DISABLE TRIGGER ALL", "ALTER TABLE orders ENABLE TRIGGER ALL"],
            "were disabled by somebody",
        ),
        (
            [
                "ALTER TABLE orders DISABLE TRIGGER _hub_created",
                "ALTER TABLE orders ENABLE ALWAYS TRIGGER _hub_created",
            ],
            "are as they should be again",
        ),
        (["DROP TRIGGER _hub_updated ON orders"], "were dropped by somebody"),
        (["DROP TABLE orders", "CREATE TABLE orders (id int)"], "there is another table of this name"),
        (["ALTER TABLE orders RENAME TO old", "CREATE TABLE orders (id int)"], "there is another table of this name"),
        (
            [
                "DROP TRIGGER _hub_created ON orders",
                "CREATE TRIGGER _hub_created AFTER INSERT ON orders FOR EACH ROW WHEN (false) EXECUTE FUNCTION _hub.capture()",
            ],
            "were disabled by somebody",
        ),
        (["ALTER FUNCTION _hub.capture() RESET search_path"], "function was changed by somebody"),
        (["TRUNCATE orders"], "was emptied with TRUNCATE"),
        (["DROP SCHEMA _hub CASCADE"], ""),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_somebody_did_is_found_told_and_mended(pg_shop: PostgresShop, done: list[str], said: str) -> None:
    async def story() -> None:
        await pg_shop.watched.install(ORDERS)
        for statement in done:
            pg_shop.run(statement)
        pg_shop.clock.seconds += 1
        assert (await pg_shop.watched.moved()).schema
        found = [one.sentence for one in await findings(pg_shop)]
        assert said in " ".join(found)
        assert bool(found) is bool(said)
        assert not (await pg_shop.watched.moved()).schema
        pg_shop.run("INSERT INTO orders (id) VALUES (99)")
        assert await pg_shop.drain_all() == 1

    tell(pg_shop, story)


def test_truncate_is_told_at_once(pg_shop: PostgresShop) -> None:
    async def story() -> None:
        await pg_shop.watched.install(ORDERS)
        pg_shop.run("INSERT INTO orders (total) VALUES (7)")
        pg_shop.run("TRUNCATE orders")
        (found,) = (await pg_shop.watched.status(ORDERS)).findings
        assert (found.kind, found.table) == ("capture_gap", "orders")
        assert "TRUNCATE" in found.sentence
        assert await pg_shop.drain_all() == 1

    tell(pg_shop, story)


def test_a_table_that_goes_and_comes_is_a_gap(pg_shop: PostgresShop) -> None:
    async def story() -> None:
        await pg_shop.watched.install(ORDERS)
        pg_shop.run("ALTER TABLE orders RENAME TO ordres")
        (missing,) = (await pg_shop.watched.install(ORDERS)).findings
        assert missing.kind == "missing_table"
        assert 'Did you mean "ordres"?' in missing.sentence
        pg_shop.run("INSERT INTO ordres (total) VALUES (7)")
        assert await pg_shop.drain_all() == 0, "its triggers went with its name"
        pg_shop.run("ALTER TABLE ordres RENAME TO orders")
        (gap,) = await findings(pg_shop)
        assert gap.kind == "capture_gap"

    tell(pg_shop, story)


def test_tables_of_other_schemas_and_kinds(pg_shop: PostgresShop) -> None:
    pg_shop.run("CREATE SCHEMA IF NOT EXISTS sales")
    pg_shop.run("DROP TABLE IF EXISTS sales.orders")
    pg_shop.run("CREATE TABLE sales.orders (id int)")
    pg_shop.run("CREATE VIEW seen AS SELECT * FROM orders")
    pg_shop.run("CREATE TABLE parts (id int, at date) PARTITION BY RANGE (at)")
    pg_shop.run("CREATE TABLE parts_2026 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')")
    wanted = {"orders": ALL, "sales.orders": ALL, "seen": ALL, "parts": ALL, "parts_2026": ALL}

    async def story() -> None:
        refused = {one.table: one.sentence for one in await findings(pg_shop, wanted) if one.kind == "missing_table"}
        assert refused.keys() == {"seen", "parts_2026"}
        assert "is a view" in refused["seen"]
        assert "name the table that it is a part of" in refused["parts_2026"]
        pg_shop.run("INSERT INTO sales.orders VALUES (1)")
        pg_shop.run("INSERT INTO orders (id) VALUES (2)")
        pg_shop.run("INSERT INTO parts VALUES (3, '2026-05-01')")
        pg_shop.run("CREATE TABLE parts_2027 PARTITION OF parts FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')")
        pg_shop.run("INSERT INTO parts VALUES (4, '2027-05-01')")
        await pg_shop.drain_all()
        await pg_shop.watched.uninstall()

    tell(pg_shop, story)
    assert [(model, json.loads(payload)["new"]["id"]) for model, payload in pg_shop.store.rows("model, payload")] == [
        ("sales.orders", 1),
        ("orders", 2),
        ("parts", 3),
        ("parts", 4),
    ]
    pg_shop.run("DROP SCHEMA sales CASCADE")


_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(
    lambda name: len(name.encode()) <= 63
)
_HOSTILE = st.sampled_from(
    [
        '"; DROP TABLE orders; --', "a'b", 'a"b', "a\\b", "a\nb", "x" * 63, "ä" * 31, "select", "Orders", "a.b", "public.orders",
        "%s", "%(a)s", "{}", "$1", "_hub", "pg_class", " ", "a/*b*/", "NEW", "new_row",
    ]
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=_HOSTILE | _NAMES, columns=st.lists(_HOSTILE | _NAMES, min_size=1, max_size=3, unique=True))
def test_hostile_names_are_only_names(pg_shop: PostgresShop, table: str, columns: list[str]) -> None:
    pg_shop.reopen()
    if table == "orders":
        return
    name = sql.Identifier("public", table)
    made = sql.SQL(", ").join([sql.SQL("{} text").format(sql.Identifier(column)) for column in columns])
    pg_shop.owner.execute(sql.SQL("CREATE TABLE {} ({})").format(name, made))
    before = pg_shop.catalogue()
    wanted = {table: ALL, "orders": ALL}

    async def story() -> None:
        await pg_shop.watched.install(wanted)
        pg_shop.owner.execute(
            sql.SQL("INSERT INTO {} VALUES ({})").format(name, sql.SQL(", ").join([sql.Literal("v")] * len(columns)))
        )
        (row,) = await pg_shop.watched.read(10)
        assert (row.model, row.new) == (table, dict.fromkeys(columns, "v"))
        await pg_shop.watched.delete([row])
        assert (await pg_shop.watched.status(wanted)).tables[0].installed == ALL
        await pg_shop.watched.uninstall()
        assert pg_shop.catalogue() == before

    tell(pg_shop, story)
    pg_shop.owner.execute(sql.SQL("DROP TABLE {}").format(name))


def test_the_loop_installs_drains_and_mends(pg_shop: PostgresShop) -> None:
    async def story() -> None:
        keeper = Keeper(pg_shop.watched, ORDERS)
        loop = Watching(pg_shop.watched, pg_shop.drain, keeper, pg_shop.clock)
        assert await loop.run_once() == 0
        pg_shop.run("INSERT INTO orders (total) VALUES (1)")
        assert [await loop.run_once() for _ in range(3)] == [1, 0, 0]
        pg_shop.run("DROP TRIGGER _hub_created ON orders")
        pg_shop.clock.seconds += 1
        await loop.run_once()
        assert keeper.findings[0].kind == "capture_gap"
        pg_shop.run("INSERT INTO orders (total) VALUES (2)")
        pg_shop.store.before = unavailable
        assert await loop.run_once() == 0
        assert pg_shop.drain.trouble is not None
        pg_shop.store.before = lambda _events: None
        pg_shop.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hub'")
        assert await loop.run_once() == 0
        assert "terminating connection" in str(loop.trouble or pg_shop.drain.trouble)
        assert await loop.run_once() == 1
        assert (loop.trouble, pg_shop.drain.trouble) == (None, None)

    tell(pg_shop, story)


def test_a_row_that_cannot_be_handed_over_is_set_aside(pg_shop: PostgresShop) -> None:
    async def story() -> None:
        await pg_shop.watched.install(ORDERS)
        pg_shop.run(
            "INSERT INTO _hub.outbox (schema_name, table_name, operation) VALUES ('public', 'orders', 'NONSENSE')"
        )
        pg_shop.run("INSERT INTO orders (total) VALUES (1)")
        await pg_shop.drain_all()
        status = await pg_shop.watched.status(ORDERS)
        assert (status.depth, status.set_aside) == (0, 1)
        assert "was not written by a trigger of the hub" in status.findings[0].sentence

    tell(pg_shop, story)
    assert len(events(pg_shop)) == 1


def test_a_table_that_is_in_use_is_not_waited_for(pg_shop: PostgresShop) -> None:
    """A lock that waits in the queue would hold up everybody behind it."""

    async def story() -> None:
        other = pg_shop.connect()
        other.execute("BEGIN")
        other.execute("INSERT INTO orders (total) VALUES (1)")
        with pytest.raises(DatabaseUnavailable, match="lock timeout"):
            await pg_shop.watched.install(ORDERS)
        other.execute("COMMIT")
        other.close()
        assert len((await pg_shop.watched.install(ORDERS)).changes) == 4

    tell(pg_shop, story)


def test_when_an_event_cannot_be_written_neither_is_the_change(pg_shop: PostgresShop) -> None:
    async def story() -> None:
        await pg_shop.watched.install(ORDERS)

    tell(pg_shop, story)
    pg_shop.run("ALTER TABLE _hub.outbox RENAME TO elsewhere")
    with pytest.raises(errors.UndefinedTable):
        pg_shop.run("INSERT INTO orders (total) VALUES (1)")
    assert pg_shop.run("SELECT count(*) FROM orders") == [(0,)]


def test_a_change_wakes_the_hub_and_many_do_it_once(pg_shop: PostgresShop) -> None:
    heard = pg_shop.connect()
    heard.execute("LISTEN _hub")

    took = 0.0

    async def story() -> None:
        nonlocal took
        await pg_shop.watched.install(ORDERS)
        before = asyncio.get_running_loop().time()
        await pg_shop.watched.rest(0)  # from now on it listens
        resting = asyncio.create_task(pg_shop.watched.rest(2 * PATIENCE))
        for _ in range(20):
            pg_shop.run("INSERT INTO orders (total) VALUES (1)")
        took = asyncio.get_running_loop().time() - before
        await resting
        assert asyncio.get_running_loop().time() - before < PATIENCE
        pg_shop.run("BEGIN")
        pg_shop.run("SELECT pg_sleep(0.25)")
        pg_shop.run("INSERT INTO orders (total) VALUES (1)")
        pg_shop.run("ROLLBACK")

    tell(pg_shop, story)
    heard_of = len(list(heard.notifies(timeout=0.1)))
    assert 1 <= heard_of <= 1 + took * 1000 / PULSE_MS, "one in a while of twenty changes, none of those rolled back"
    heard.close()


def test_a_change_that_wakes_nobody_is_found_by_looking(pg_shop: PostgresShop) -> None:
    """Whoever has just sent a wake-up may be rolled back."""

    async def story() -> None:
        await pg_shop.watched.install(ORDERS)
        watching = Watching(pg_shop.watched, pg_shop.drain, Keeper(pg_shop.watched, ORDERS), SystemClock())
        stop = asyncio.Event()
        loop = asyncio.create_task(watching.watch(stop))
        pg_shop.run("SELECT setval('_hub.pulse', (extract(epoch FROM clock_timestamp()) * 1000)::bigint + 150)")
        pg_shop.run("INSERT INTO orders (total) VALUES (1)")
        async with asyncio.timeout(PATIENCE):
            while not pg_shop.store.calls:  # noqa: ASYNC110 - another task's doing
                await asyncio.sleep(0.01)
        stop.set()
        await loop

    tell(pg_shop, story)
    assert len(events(pg_shop)) == 1
