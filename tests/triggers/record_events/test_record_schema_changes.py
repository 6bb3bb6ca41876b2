"""The schema changes under the triggers: it is found, mended, and said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from record_stand_ins import ORDERS, Shop

from hub.triggers.record_events.sqlite_text import digest, trigger_name


def rebuild(shop: Shop) -> None:
    """The twelve steps of https://www.sqlite.org/lang_altertable.html, as tools do them."""
    shop.owner.executescript(
        "BEGIN; CREATE TABLE fresh (id INTEGER PRIMARY KEY, total REAL, status TEXT); INSERT INTO fresh SELECT * FROM orders;"
        "DROP TABLE orders; ALTER TABLE fresh RENAME TO orders; COMMIT"
    )


def statement(sql: str) -> Callable[[Shop], None]:
    def run(shop: Shop) -> None:
        shop.owner.execute(sql)

    return run


CHANGES = {
    "add a column": (statement("ALTER TABLE orders ADD COLUMN note DEFAULT 'x'"), 'columns changed (new: "note")'),
    "rename a column": (
        statement("ALTER TABLE orders RENAME COLUMN status TO state"),
        'columns changed (new: "state"; gone: "status")',
    ),
    "rebuild": (rebuild, "were gone: a table rebuild drops them in silence"),
    "drop a trigger": (
        statement(f"DROP TRIGGER {trigger_name('orders', 'record.created')}"),
        "(record.created) were gone",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_schema_change_is_found_mended_and_recorded(shop: Shop, name: str):
    change, sentence = CHANGES[name]

    async def story() -> None:
        await shop.watched.install(ORDERS)
        await shop.watched.moved()
        assert await shop.watched.moved() == (False, False)
        shop.clock.ms += 60_000
        change(shop)
        assert await shop.watched.moved() == (True, True)
        shop.clock.ms += 5_000
        done = await shop.watched.install(ORDERS)
        (gap,) = [finding for finding in done.findings if finding.kind == "capture_gap"]
        assert sentence in gap.sentence
        assert "between 2027-01-15T08:00:00.000Z and 2027-01-15T08:01:05.000Z" in gap.sentence
        # It is mended, once, and remembered for other processes.
        again = await shop.watched.install(ORDERS)
        assert (again.changes, [finding.kind for finding in again.findings]) == ((), ["declared"])
        assert gap in (await shop.watched.status(ORDERS)).findings
        assert (await shop.watched.moved()).schema is False
        shop.owner.execute("INSERT INTO orders (total) VALUES (1)")
        shop.owner.execute("UPDATE orders SET total = 2")
        shop.owner.execute("DELETE FROM orders")
        await shop.drain_all()

    asyncio.run(story())
    columns = {column for (column,) in shop.owner.execute("SELECT name FROM pragma_table_info('orders')")}
    created, updated, deleted = shop.store.payloads
    assert set(created["new"]) == set(updated["new"]) == set(updated["old"]) == set(deleted["old"]) == columns


def test_a_changed_trigger_is_put_right(shop: Shop):
    name = trigger_name("orders", "record.created")

    async def story() -> None:
        await shop.watched.install(ORDERS)
        shop.owner.execute(f"DROP TRIGGER {name}")
        shop.owner.execute(f"CREATE TRIGGER {name} AFTER INSERT ON orders BEGIN DELETE FROM _hub_outbox; END")
        done = await shop.watched.install(ORDERS)
        assert "were changed by somebody" in done.findings[0].sentence
        shop.owner.execute("INSERT INTO orders (total) VALUES (1)")
        assert await shop.drain_all() == 1

    asyncio.run(story())


def test_triggers_of_an_older_hub_are_replaced_without_a_gap(shop: Shop):
    """An older version wrote the text in another way, and remembered it."""
    name = trigger_name("orders", "record.created")
    older = f'CREATE TRIGGER "{name}" AFTER INSERT ON orders BEGIN INSERT INTO _hub_outbox (model) VALUES (1); END'

    async def story() -> None:
        await shop.watched.install(ORDERS)
        shop.owner.execute(f"DROP TRIGGER {name}")
        shop.owner.execute(older)
        shop.owner.execute("UPDATE _hub_installed SET digest = ? WHERE trigger_name = ?", (digest(older), name))
        done = await shop.watched.install(ORDERS)
        assert [(change.action, change.trigger) for change in done.changes] == [("replace", name)]
        assert [finding.kind for finding in done.findings] == ["declared"]

    asyncio.run(story())


def test_a_renamed_table_is_missing_and_its_triggers_are_taken_off(shop: Shop):
    async def story() -> None:
        await shop.watched.install(ORDERS)
        shop.owner.execute("ALTER TABLE orders RENAME TO orders_old")
        done = await shop.watched.install(ORDERS)
        assert [(change.action, change.table) for change in done.changes] == [("drop", "orders_old")] * 3
        assert 'Did you mean "orders_old"?' in done.findings[0].sentence
        shop.owner.execute("INSERT INTO orders_old (total) VALUES (1)")
        assert await shop.drain_all() == 0
        shop.owner.execute("ALTER TABLE orders_old RENAME TO orders")
        back = await shop.watched.install(ORDERS)
        assert "were gone" in back.findings[0].sentence
        shop.owner.execute("INSERT INTO orders (total) VALUES (1)")
        assert await shop.drain_all() == 1

    asyncio.run(story())


def test_swapped_tables_end_with_each_trigger_on_its_own(shop: Shop):
    wanted = ORDERS | {"items": ORDERS["orders"]}
    shop.owner.execute("CREATE TABLE items (a)")

    async def story() -> None:
        await shop.watched.install(wanted)
        shop.owner.executescript(
            "ALTER TABLE orders RENAME TO t; ALTER TABLE items RENAME TO orders; ALTER TABLE t RENAME TO items; INSERT INTO orders VALUES (1)"
        )
        await shop.drain_all()
        done = await shop.watched.install(wanted)
        assert len([finding for finding in done.findings if finding.kind == "capture_gap"]) == 2
        shop.owner.executescript("INSERT INTO orders VALUES (2); INSERT INTO items (total) VALUES (3)")
        assert await shop.drain_all() == 2

    asyncio.run(story())
    assert shop.store.rows("model")[1:] == [("orders",), ("items",)]
    assert [payload["new"] for payload in shop.store.payloads[1:]] == [
        {"a": 2},
        {"id": 1, "total": 3.0, "status": None},
    ]


def test_a_dropped_outbox_is_made_again_and_said(shop: Shop):
    async def story() -> None:
        await shop.watched.install(ORDERS)
        shop.owner.execute("DROP TABLE _hub_outbox")
        done = await shop.watched.install(ORDERS)
        assert "was dropped" in done.findings[0].sentence
        assert (await shop.watched.install(ORDERS)).findings[0].kind == "declared"
        shop.owner.execute(
            "SELECT * FROM orders"
        )  # SQLite looks at the schema anew, which a trigger alone does not make it do
        shop.owner.execute("INSERT INTO orders (total) VALUES (1)")
        assert await shop.drain_all() == 1

    asyncio.run(story())


def test_rows_written_before_a_column_was_renamed_keep_its_old_name(shop: Shop):
    async def story() -> None:
        await shop.watched.install(ORDERS)
        shop.owner.execute("INSERT INTO orders (status) VALUES ('x')")
        shop.owner.execute("ALTER TABLE orders RENAME COLUMN status TO state")
        await shop.watched.install(ORDERS)
        await shop.drain_all()

    asyncio.run(story())
    assert shop.store.payloads[0]["new"] == {"id": 1, "total": None, "status": "x"}


def test_dropping_a_column_needs_an_uninstall_as_the_class_says(shop: Shop):
    async def story() -> None:
        await shop.watched.install(ORDERS)
        with pytest.raises(Exception, match="error in trigger _hub_"):
            shop.owner.execute("ALTER TABLE orders DROP COLUMN status")
        await shop.watched.uninstall()
        shop.owner.execute("ALTER TABLE orders DROP COLUMN status")

    asyncio.run(story())
