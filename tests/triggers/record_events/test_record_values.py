"""What SQLite stores is what an event carries, for every type that it has."""

from __future__ import annotations

import asyncio
import base64
import math
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from record_stand_ins import Shop

from hub.triggers.record_events import sqlite_wire
from hub.triggers.record_events.drain import changed
from hub.triggers.record_events.sqlite_text import trigger_sql

VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=40),
    st.text(max_size=40),
    st.sampled_from(
        [2**53 + 1, -(2**63), 5e-324, 1.7976931348623157e308, -0.0, "a\0b", '{"a":1}', "t", "x41", "r1.0", "", b""]
    ),
)


def carried(value: Any) -> Any:
    """The JSON value that an event should carry for a Python value bound to a column without a type."""
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, float) and math.isinf(value):
        return {"$number": "Infinity" if value > 0 else "-Infinity"}
    return value


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=20))
def test_any_value_makes_the_journey(tmp_path: Path, rows: list[tuple[Any, Any]]):
    (tmp_path / "shop.db").unlink(missing_ok=True)
    shop = Shop(tmp_path, journal="memory")
    shop.owner.execute("CREATE TABLE v (a, b)")

    async def story() -> None:
        await shop.watched.install({"v": frozenset({"record.updated"})})
        for row in rows:
            shop.owner.execute("INSERT INTO v VALUES (?, NULL)", row[:1])
            shop.owner.execute("UPDATE v SET a = ?, b = ? WHERE rowid = last_insert_rowid()", (row[1], row[0]))
        await shop.drain_all()
        await shop.watched.close()

    asyncio.run(story())
    for (first, second), payload in zip(rows, shop.store.payloads, strict=True):
        assert payload["old"] == {"a": carried(first), "b": None}
        assert payload["new"] == {"a": carried(second), "b": carried(first)}
        assert type(payload["new"]["a"]) is type(carried(second))
        assert payload["changed"] == ["a"] * (carried(first) != carried(second)) + ["b"] * (first is not None)
    shop.store.close()
    shop.owner.close()


def test_real_numbers_keep_every_bit(shop: Shop):
    numbers = [
        struct.unpack("<d", struct.pack("<Q", (index * 0x9E3779B97F4A7C15) % 2**64))[0] for index in range(1, 5000)
    ]
    numbers = [number for number in numbers if math.isfinite(number)]

    async def story() -> None:
        await shop.watched.install({"orders": frozenset({"record.created"})})
        shop.owner.executemany("INSERT INTO orders (total) VALUES (?)", [(number,) for number in numbers])
        await shop.drain_all()

    shop.owner.execute("PRAGMA journal_mode=memory")
    asyncio.run(story())
    assert [payload["new"]["total"] for payload in shop.store.payloads] == numbers


def test_text_that_is_not_unicode_is_carried_as_bytes(shop: Shop):
    async def story() -> None:
        await shop.watched.install({"orders": frozenset({"record.created"})})
        shop.owner.execute("INSERT INTO orders (status) VALUES (CAST(x'61ff62' AS TEXT)), (CAST(x'eda080' AS TEXT))")
        await shop.drain_all()

    asyncio.run(story())
    found = [payload["new"]["status"] for payload in shop.store.payloads]
    assert found == [carried(b"a\xffb"), carried(b"\xed\xa0\x80")]


def test_text_fresh_out_of_a_json_function_stays_text(shop: Shop):
    async def story() -> None:
        await shop.watched.install({"orders": frozenset({"record.created"})})
        shop.owner.execute("INSERT INTO orders (status) SELECT json_object('a', 1)")
        await shop.drain_all()

    asyncio.run(story())
    assert shop.store.payloads[0]["new"]["status"] == '{"a":1}'


def test_affinity_and_generated_columns_are_as_stored(shop: Shop):
    shop.owner.execute(
        "CREATE TABLE bill (id INTEGER PRIMARY KEY, net REAL, count TEXT, gross REAL AS (net * 2), kept INTEGER AS (id + 1) STORED) STRICT"
    )

    async def story() -> None:
        await shop.watched.install({"bill": frozenset({"record.created"})})
        shop.owner.execute("INSERT INTO bill (net, count) VALUES (5, 7)")
        await shop.drain_all()

    asyncio.run(story())
    (payload,) = shop.store.payloads
    assert payload == {
        "event": "created",
        "new": {"id": 1, "net": 5.0, "count": "7", "gross": 10.0, "kept": 2},
        "old": None,
        "changed": [],
        "actor": None,
    }
    assert isinstance(payload["new"]["net"], float)


@pytest.mark.parametrize("width", [50, 51, 130, 700])
def test_wide_tables(shop: Shop, width: int):
    columns = [f"c{index}" for index in range(width)]
    shop.owner.execute(f"CREATE TABLE wide ({', '.join(columns)})")

    async def story() -> None:
        await shop.watched.install({"wide": frozenset({"record.created", "record.updated"})})
        shop.owner.execute(f"INSERT INTO wide VALUES ({', '.join(['?'] * width)})", list(range(width)))
        shop.owner.execute("UPDATE wide SET c49 = 'x'")
        await shop.drain_all()

    asyncio.run(story())
    before = {column: index for index, column in enumerate(columns)}
    created, updated = shop.store.payloads
    assert created["new"] == before
    assert list(created["new"]) == columns
    assert (updated["old"], updated["new"], updated["changed"]) == (before, before | {"c49": "x"}, ["c49"])


def test_a_table_without_rowid_and_a_utf16_database(tmp_path: Path):
    shop = Shop(tmp_path, encoding="UTF-16")
    shop.owner.execute("CREATE TABLE pair (a TEXT, b TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID")

    async def story() -> None:
        await shop.watched.install({"pair": frozenset({"record.created", "record.deleted"})})
        shop.owner.execute("INSERT INTO pair VALUES (?, ?)", ("é", "🐘\0"))
        shop.owner.execute("DELETE FROM pair")
        await shop.drain_all()
        await shop.watched.close()

    asyncio.run(story())
    row = {"a": "é", "b": "🐘\0"}
    assert [(found["new"], found["old"]) for found in shop.store.payloads] == [(row, None), (None, row)]
    assert shop.owner.execute("PRAGMA encoding").fetchone()[0].startswith("UTF-16")
    shop.store.close()
    shop.owner.close()


def test_changed_compares_as_sql_does():
    assert changed({"a": 1, "b": "1"}, {"a": 1.0, "b": 1}) == ["b"]
    assert changed({"a": 2**53}, {"a": 2**53 + 1}) == ["a"]
    assert changed(None, {"a": 1}) == changed({"a": 1}, None) == []


@pytest.mark.parametrize(
    "wire", ["", "[1]", "{", '{"a": true}', '{"a": "?x"}', '{"a": "xzz"}', '{"a": {}}', "[" * 100_000, '{"a":Infinity}']
)
def test_what_our_triggers_never_write_is_refused(wire: str):
    with pytest.raises(ValueError, match=r".+"):
        sqlite_wire.record(wire)


def test_the_text_is_the_one_that_sqlite_keeps(shop: Shop):
    sql = trigger_sql("orders", "record.updated", ["id", "total"])
    shop.owner.execute("CREATE TABLE _hub_outbox (model, kind, new_row, old_row)")
    shop.owner.execute(sql)
    assert shop.owner.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'").fetchone() == (sql,)
