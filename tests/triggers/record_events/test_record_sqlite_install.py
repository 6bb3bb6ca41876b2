from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from record_stand_ins import ALL, ORDERS, Shop

from hub.model.errors import Conflict
from hub.triggers.record_events.sqlite_text import trigger_name

NAMES = st.one_of(
    st.sampled_from(
        [
            '"',
            "'",
            "];--",
            "\\",
            "a\nb",
            "select",
            "NEW",
            "Old",
            "_hub_x",
            "x" * 200,
            "é",
            "ORDERS ",
            "'; DROP TABLE orders; --",
            '"")',
            "🐘",
        ]
    ),
    st.text(st.sampled_from("aB\"'`[]\\\n\r\t;-/*é😀 .%?:@$1"), min_size=1, max_size=12),
    st.text(min_size=1, max_size=12).filter(lambda text: "\0" not in text),
)


def distinct(names: list[str]) -> bool:
    return len({name.lower() for name in names}) == len(names)


def q(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tables=st.lists(NAMES, min_size=1, max_size=3).filter(distinct),
    columns=st.lists(NAMES, min_size=1, max_size=4).filter(distinct),
)
def test_hostile_names_work_and_leave_the_catalogue_as_it_was(tmp_path: Path, tables: list[str], columns: list[str]):
    tables = [table for table in tables if not table.lower().startswith("sqlite_") and table.lower() != "orders"]
    (tmp_path / "shop.db").unlink(missing_ok=True)
    shop = Shop(tmp_path, journal="memory")
    for table in tables:
        shop.owner.execute(f"CREATE TABLE {q(table)} ({', '.join(q(column) for column in columns)})")
    before = shop.catalogue()

    async def story() -> None:
        done = await shop.watched.install(dict.fromkeys(tables, ALL))
        assert len(done.changes) == 3 * len(tables)
        ours = [row for row in shop.catalogue() if row not in before]
        assert [row for row in before if row not in shop.catalogue()] == []
        assert all(
            name.lower().startswith(("_hub_", "sqlite_autoindex__hub_")) and len(name.encode()) <= 63
            for _, name, _, _ in ours
        )
        for table in tables:
            shop.owner.execute(f"INSERT INTO {q(table)} VALUES ({', '.join('?' * len(columns))})", columns)
            shop.owner.execute(f"UPDATE {q(table)} SET {q(columns[0])} = 1")
            shop.owner.execute(f"DELETE FROM {q(table)}")
        assert await shop.drain_all() == 3 * len(tables)
        await shop.watched.uninstall()
        await shop.watched.close()

    asyncio.run(story())
    first, second = dict(zip(columns, columns, strict=True)), dict(zip(columns, [1, *columns[1:]], strict=True))
    assert shop.store.rows("model, type") == [
        (table, kind) for table in tables for kind in ("record.created", "record.updated", "record.deleted")
    ]
    assert [(p["old"], p["new"]) for p in shop.store.payloads] == [
        (None, first),
        (first, second),
        (second, None),
    ] * len(tables)
    assert shop.catalogue() == before
    assert shop.owner.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    shop.store.close()
    shop.owner.close()


def test_installing_again_changes_nothing_and_takes_no_write_lock(shop: Shop):
    async def story() -> None:
        first = await shop.watched.install(ORDERS)
        assert [(change.action, change.kind) for change in first.changes] == [("create", kind) for kind in sorted(ALL)]
        before = shop.catalogue()
        other = shop.connect()
        other.execute("BEGIN IMMEDIATE")
        assert (await shop.watched.install(ORDERS)).changes == ()
        other.close()
        assert shop.catalogue() == before

    asyncio.run(story())


def test_a_plan_changes_nothing_and_is_what_install_does(shop: Shop):
    async def story() -> None:
        before = shop.catalogue()
        plan = await shop.watched.plan(ORDERS)
        assert shop.catalogue() == before
        assert (await shop.watched.install(ORDERS)) == plan

    asyncio.run(story())


def test_install_is_one_transaction(shop: Shop):
    """The second table's trigger cannot be made: nothing of the first one stays."""
    shop.owner.execute("CREATE TABLE later (a)")
    before = shop.catalogue()

    async def story() -> None:
        taken = trigger_name("orders", "record.deleted")
        shop.owner.execute(f"CREATE TRIGGER {taken} AFTER INSERT ON later BEGIN SELECT 1; END")
        standing = shop.catalogue()
        with pytest.raises(Exception, match="already exists"):
            await shop.watched.install({"later": ALL, "orders": ALL})
        assert shop.catalogue() == standing
        shop.owner.execute(f"DROP TRIGGER {taken}")

    asyncio.run(story())
    assert shop.catalogue() == before


def test_kinds_that_nobody_wants_are_removed_without_a_finding(shop: Shop):
    async def story() -> None:
        await shop.watched.install(ORDERS)
        done = await shop.watched.install({"orders": frozenset({"record.created"})})
        assert [(change.action, change.kind) for change in done.changes] == [
            ("drop", "record.deleted"),
            ("drop", "record.updated"),
        ]
        assert done.findings == ()
        again = await shop.watched.install(ORDERS)
        assert [finding.kind for finding in again.findings] == ["declared"]

    asyncio.run(story())


def test_nothing_wanted_installs_nothing(shop: Shop):
    before = shop.catalogue()
    asyncio.run(shop.watched.install({}))
    assert shop.catalogue() == before


def test_views_virtual_tables_and_missing_ones_are_findings_and_the_rest_is_installed(shop: Shop):
    shop.owner.execute("CREATE VIEW recent AS SELECT * FROM orders")
    shop.owner.execute("CREATE VIRTUAL TABLE search USING fts5(a)")
    created = frozenset({"record.created"})

    async def story() -> None:
        done = await shop.watched.install(
            dict.fromkeys(("orders", "recent", "search", "order", "_hub_outbox"), created)
        )
        assert [change.table for change in done.changes] == ["orders"]
        sentences = {finding.table: finding.sentence for finding in done.findings}
        assert set(sentences) == {"recent", "search", "order", "_hub_outbox"}
        assert "is a view" in sentences["recent"]
        assert "is a virtual table" in sentences["search"]
        assert 'Did you mean "orders"?' in sentences["order"]

    asyncio.run(story())


def test_a_column_whose_name_is_not_unicode_is_refused(shop: Shop):
    shop.owner.execute("CREATE TABLE odd (a, bb)")
    shop.owner.execute("PRAGMA writable_schema=on")
    shop.owner.execute(
        "UPDATE sqlite_master SET sql = CAST(replace(CAST(sql AS BLOB), 'bb', x'22ff22') AS TEXT) WHERE name = 'odd'"
    )

    async def story() -> None:
        (finding,) = (await shop.watched.install({"odd": frozenset({"record.created"})})).findings
        assert "not valid Unicode" in finding.sentence

    asyncio.run(story())


def test_uninstall_waits_for_the_outbox_unless_told_to_discard(shop: Shop):
    before = shop.catalogue()
    shop.owner.execute("CREATE TRIGGER _hub_mine AFTER INSERT ON orders BEGIN SELECT 1; END")
    mine = shop.catalogue()

    async def story() -> None:
        await shop.watched.install(ORDERS)
        shop.owner.execute("INSERT INTO orders (total) VALUES (1)")
        with pytest.raises(Conflict, match="1 change waits"):
            await shop.watched.uninstall()
        assert shop.waiting() == 1
        await shop.watched.uninstall(discard=True)
        assert shop.catalogue() == mine
        await shop.watched.uninstall()

    asyncio.run(story())
    shop.owner.execute("DROP TRIGGER _hub_mine")
    assert shop.catalogue() == before


def test_a_table_of_somebody_else_under_our_name_is_left_alone(shop: Shop):
    shop.owner.execute("CREATE TABLE _hub_outbox (mine)")
    shop.owner.execute("INSERT INTO _hub_outbox VALUES (1)")
    before = shop.catalogue()

    async def story() -> None:
        with pytest.raises(Conflict, match="_hub_outbox"):
            await shop.watched.install(ORDERS)
        assert await shop.drain.run_once() == 0
        await shop.watched.uninstall(discard=True)

    asyncio.run(story())
    assert shop.catalogue() == before
    assert shop.waiting() == 1


def test_status_says_what_stands_and_what_waits(shop: Shop):
    shop.owner.execute("CREATE TABLE items (a)")
    wanted = ORDERS | {"items": frozenset({"record.created"})}

    async def story() -> None:
        empty = await shop.watched.status(wanted)
        assert (empty.depth, empty.oldest_at, [table.installed for table in empty.tables]) == (
            0,
            None,
            [frozenset()] * 2,
        )
        await shop.watched.install(wanted)
        shop.owner.execute("INSERT INTO orders (total) VALUES (1), (2)")
        shop.owner.execute("INSERT INTO items VALUES (1)")
        shop.owner.execute(f"DROP TRIGGER {trigger_name('orders', 'record.updated')}")
        status = await shop.watched.status(wanted)
        assert [(table.table, table.depth) for table in status.tables] == [("items", 1), ("orders", 2)]
        assert status.tables[1].expected - status.tables[1].installed == {"record.updated"}
        assert status.depth == 3
        assert status.oldest_at is not None
        assert status.set_aside == 0

    asyncio.run(story())


def test_replaced_rows_are_declared(shop: Shop):
    """The case itself: the row goes without an event, unless the writer asks SQLite for recursive triggers."""
    shop.owner.execute("CREATE TABLE keyed (k PRIMARY KEY ON CONFLICT REPLACE)")

    async def story() -> None:
        done = await shop.watched.install({"orders": ALL, "keyed": ALL})
        keyed, orders = done.findings
        assert (keyed.kind, orders.kind) == ("declared", "declared")
        assert "even a plain INSERT" in keyed.sentence
        assert "recursive_triggers" in orders.sentence
        for setting in ("off", "on"):
            shop.owner.execute(f"PRAGMA recursive_triggers={setting}")
            shop.owner.execute("INSERT OR REPLACE INTO orders (id, total) VALUES (1, 1)")
        await shop.drain_all()

    asyncio.run(story())
    assert sorted(payload["event"] for payload in shop.store.payloads) == ["created", "created", "deleted"]


def test_an_insert_or_ignore_still_writes_its_event(shop: Shop):
    async def story() -> None:
        await shop.watched.install(ORDERS)
        for _ in range(2):
            shop.owner.execute("INSERT OR IGNORE INTO orders (id, total) VALUES (1, 1)")
        shop.owner.execute("INSERT INTO orders (id, total) VALUES (1, 1) ON CONFLICT DO UPDATE SET total = 2")
        await shop.drain_all()

    asyncio.run(story())
    assert [payload["event"] for payload in shop.store.payloads] == ["created", "updated"]


def test_if_the_event_cannot_be_written_the_change_fails_with_it(shop: Shop):
    asyncio.run(shop.watched.install(ORDERS))
    shop.owner.execute("DROP TABLE _hub_outbox")
    with pytest.raises(Exception, match="_hub_outbox"):
        shop.owner.execute("INSERT INTO orders (total) VALUES (1)")
    assert shop.owner.execute("SELECT count(*) FROM orders").fetchone() == (0,)
