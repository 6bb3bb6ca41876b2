"""Record events of PostgreSQL: what is put into the database and taken out of it, whatever it is called and holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from record_postgres import PostgresShop, events, findings, tell
from record_stand_ins import ALL, ORDERS

from hub.model.errors import Conflict


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
        with pytest.raises(Conflict, match="1 change waits"):
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
