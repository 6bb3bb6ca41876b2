from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from record_stand_ins import ORDERS, Crash, FakeClock, Shop, crash, nothing, unavailable

from hub.model.errors import BadInput
from hub.model.event import NewEvent
from hub.triggers.record_events.drain import Drain
from hub.triggers.record_events.sqlite import SQLiteWatched


def insert(shop: Shop, count: int = 1) -> None:
    shop.owner.executemany("INSERT INTO orders (total) VALUES (?)", [(index,) for index in range(count)])


def test_an_event_says_what_happened(shop: Shop):
    async def story() -> None:
        await shop.watched.install(ORDERS)
        shop.owner.execute("INSERT INTO orders VALUES (7, 1.5, 'new')")
        shop.owner.execute("UPDATE orders SET status = 'paid'")
        shop.owner.execute("DELETE FROM orders")
        assert await shop.drain.run_once() == 3
        assert await shop.drain.run_once() == 0

    asyncio.run(story())
    new, paid = {"id": 7, "total": 1.5, "status": "new"}, {"id": 7, "total": 1.5, "status": "paid"}
    assert shop.store.payloads == [
        {"event": "created", "new": new, "old": None, "changed": [], "actor": None},
        {"event": "updated", "new": paid, "old": new, "changed": ["status"], "actor": None},
        {"event": "deleted", "new": None, "old": paid, "changed": [], "actor": None},
    ]
    assert shop.store.rows("source, type, model") == [
        ("record:shop", f"record.{k}", "orders") for k in ("created", "updated", "deleted")
    ]
    assert shop.waiting() == 0


def test_the_time_is_that_of_the_change(shop: Shop):
    async def story() -> None:
        await shop.watched.install(ORDERS)
        bounds = []
        for _ in range(2):
            bounds.append(shop.owner.execute("SELECT round((julianday('now') - 2440587.5) * 86400000)").fetchone()[0])
            if len(bounds) == 1:
                insert(shop)
        await shop.drain.run_once()
        ((time,),) = shop.store.rows("time")
        assert bounds[0] <= time <= bounds[1]

    asyncio.run(story())


def test_a_batch_is_bounded_and_in_order(shop: Shop):
    async def story() -> None:
        await shop.watched.install(ORDERS)
        insert(shop, 1203)
        assert [await shop.drain.run_once() for _ in range(4)] == [500, 500, 203, 0]

    asyncio.run(story())
    assert [payload["new"]["id"] for payload in shop.store.payloads] == list(range(1, 1204))


def test_wide_rows_make_smaller_batches(shop: Shop):
    async def story() -> None:
        await shop.watched.install({"orders": frozenset({"record.created"})})
        shop.owner.executemany("INSERT INTO orders (status) VALUES (?)", [("x" * 1_500_000,)] * 4)
        assert [await shop.drain.run_once() for _ in range(3)] == [3, 1, 0]

    asyncio.run(story())


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_around_storing_neither_loses_nor_repeats(shop: Shop, moment: str):
    async def story() -> None:
        await shop.watched.install(ORDERS)
        insert(shop, 3)
        setattr(shop.store, moment, crash)
        with pytest.raises(Crash):
            await shop.drain.run_once()
        assert shop.waiting() == 3
        setattr(shop.store, moment, nothing)
        await shop.watched.close()
        shop.reopen()
        assert await shop.drain_all() == 3

    asyncio.run(story())
    assert [payload["new"]["id"] for payload in shop.store.payloads] == [1, 2, 3]
    assert shop.store.duplicates == (3 if moment == "after" else 0)
    assert shop.waiting() == 0


def test_a_store_that_is_away_is_trouble_and_nothing_is_lost(shop: Shop):
    async def story() -> None:
        await shop.watched.install(ORDERS)
        insert(shop)
        shop.store.before = unavailable
        assert await shop.drain.run_once() == 0
        assert shop.drain.trouble == "the hub's store cannot be reached."
        assert shop.waiting() == 1
        shop.store.before = nothing
        assert await shop.drain.run_once() == 1
        assert shop.drain.trouble is None

    asyncio.run(story())


def test_the_owner_can_write_while_the_hub_stores(shop: Shop):
    """No lock of ours is held while the store is awaited."""
    shop.owner.execute("PRAGMA busy_timeout=0")

    def write(events: Sequence[NewEvent]) -> None:
        if shop.store.calls == 1:
            insert(shop)

    async def story() -> None:
        await shop.watched.install(ORDERS)
        insert(shop)
        shop.store.before = write
        assert await shop.drain_all() == 2

    asyncio.run(story())
    assert len(shop.store.payloads) == 2


def test_keys_never_come_again_though_numbers_do(shop: Shop):
    async def story() -> None:
        await shop.watched.install(ORDERS)
        for _ in range(3):
            insert(shop)
            await shop.drain_all()
        await shop.watched.uninstall()
        await shop.watched.install(ORDERS)
        insert(shop)
        await shop.drain_all()

    asyncio.run(story())
    keys = [key for (key,) in shop.store.rows("key")]
    assert [key.split("-")[0] for key in keys] == ["1"] * 4
    assert len({key.split("-")[2] for key in keys}) == 4
    assert shop.store.duplicates == 0


def test_a_restored_file_brings_back_its_own_events_and_none_of_the_others(tmp_path: Path):
    """A backup is taken while one change waits; the file goes on, is lost, and is restored under the running hub."""
    shop = Shop(tmp_path, journal="delete")

    async def story() -> None:
        await shop.watched.install(ORDERS)
        shop.owner.execute("INSERT INTO orders (status) VALUES ('in the backup')")
        shutil.copy(shop.path, tmp_path / "backup.db")
        shop.owner.execute("INSERT INTO orders (status) VALUES ('lost with the disk')")
        assert await shop.drain_all() == 2
        shop.owner.close()
        (tmp_path / "backup.db").replace(shop.path)
        shop.owner = shop.connect()
        shop.owner.execute("INSERT INTO orders (status) VALUES ('after the restore')")
        assert (await shop.watched.moved()).schema
        assert await shop.drain_all() == 2
        await shop.watched.close()

    asyncio.run(story())
    assert [payload["new"]["status"] for payload in shop.store.payloads] == [
        "in the backup",
        "lost with the disk",
        "after the restore",
    ]
    assert shop.store.duplicates == 1
    shop.store.close()
    shop.owner.close()


def test_a_row_that_took_the_number_of_a_stored_one_is_not_deleted_with_it(shop: Shop):
    """While the hub stores row 1 it is taken away, and another change gets number 1."""

    def replace(events: Sequence[NewEvent]) -> None:
        if shop.store.calls == 1:
            shop.owner.execute("DELETE FROM _hub_outbox")
            insert(shop)

    async def story() -> None:
        await shop.watched.install(ORDERS)
        insert(shop)
        shop.store.before = replace
        assert await shop.drain_all() == 2

    asyncio.run(story())
    assert [key.split("-")[0] for (key,) in shop.store.rows("key")] == ["1", "1"]


def test_an_unreadable_row_is_set_aside_with_a_finding_and_the_rest_goes_on(shop: Shop):
    async def story() -> None:
        await shop.watched.install(ORDERS)
        insert(shop, 3)
        shop.owner.execute("UPDATE _hub_outbox SET new_row = '{broken' WHERE id = 1")
        shop.owner.execute("UPDATE _hub_outbox SET kind = 'odd', uid = NULL WHERE id = 2")
        assert await shop.drain_all() == 3
        status = await shop.watched.status(ORDERS)
        assert (status.depth, status.set_aside) == (0, 2)
        assert sorted(f.sentence[:12] for f in status.findings if f.kind == "set_aside") == [
            "outbox row 1",
            "outbox row 2",
        ]

    asyncio.run(story())
    assert [payload["new"]["id"] for payload in shop.store.payloads] == [3]
    assert shop.waiting() == 2


def test_an_event_that_the_store_refuses_blocks_nobody(shop: Shop):
    def refuse(events: Sequence[NewEvent]) -> None:
        if any(event.payload["new"]["id"] == 2 for event in events):
            raise BadInput("no twos.")

    async def story() -> None:
        await shop.watched.install(ORDERS)
        insert(shop, 3)
        shop.store.before = refuse
        await shop.drain_all()
        status = await shop.watched.status(ORDERS)
        assert status.set_aside == 1
        assert status.findings[-1].sentence == "outbox row 2 was not handed over: no twos."

    asyncio.run(story())
    assert [payload["new"]["id"] for payload in shop.store.payloads] == [1, 3]


def trouble_of(path: Path) -> str:
    """What a drain says of a database at `path`."""
    found: list[str | None] = []

    async def story() -> None:
        watched = SQLiteWatched("shop", path, FakeClock())
        drain = Drain(watched, _Nowhere())
        assert await drain.run_once() == 0
        found.append(drain.trouble)
        await watched.close()

    asyncio.run(story())
    assert found[0] is not None
    return found[0]


class _Nowhere:
    async def store_events(self, events: Sequence[NewEvent]) -> list[object]:
        raise AssertionError(events)


def test_a_missing_file_is_said_and_not_created(tmp_path: Path):
    path = tmp_path / "odd {name} %20 #?.db"
    assert trouble_of(path) == (
        f'database "shop": there is no file {path}. Create it, or mend databases.shop.url in config/hub.yaml.'
    )
    assert not path.exists()
    sqlite3.connect(path).close()
    (tmp_path / "x").mkdir()
    assert "cannot be opened" in trouble_of(tmp_path / "x")


def test_a_file_that_is_no_database_is_said(tmp_path: Path):
    (tmp_path / "shop.db").write_text("this is not a database, whatever its name says " * 100)
    assert "is not a SQLite database" in trouble_of(tmp_path / "shop.db")


def test_a_damaged_file_is_said_and_a_mended_one_is_taken_up(tmp_path: Path):
    shop = Shop(tmp_path, journal="delete")

    async def story() -> None:
        await shop.watched.install(ORDERS)
        insert(shop, 400)
        whole = shop.path.read_bytes()
        with shop.path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (len(whole) - 4096))
        await shop.watched.close()
        shop.reopen()
        assert await shop.drain.run_once() == 0
        assert "is damaged" in str(shop.drain.trouble)
        shop.path.write_bytes(whole)
        assert await shop.drain_all() == 400
        assert shop.drain.trouble is None
        await shop.watched.close()

    asyncio.run(story())
    shop.store.close()
    shop.owner.close()


def test_a_database_that_cannot_be_written_is_said_and_its_changes_are_stored_once(tmp_path: Path):
    """The write version in the header makes a file read-only for everybody (https://www.sqlite.org/fileformat.html, offset 18)."""
    shop = Shop(tmp_path, journal="delete")

    def write_version(number: int) -> None:
        with shop.path.open("r+b") as file:
            file.seek(18)
            file.write(bytes([number]))

    async def story() -> None:
        await shop.watched.install(ORDERS)
        insert(shop, 2)
        shop.owner.close()
        await shop.watched.close()
        write_version(3)
        shop.reopen()
        for _ in range(3):
            assert await shop.drain.run_once() == 0
            assert "cannot be written" in str(shop.drain.trouble)
        assert (shop.store.calls, shop.store.duplicates) == (1, 0)
        write_version(1)
        assert await shop.drain_all() == 0
        assert shop.drain.trouble is None
        await shop.watched.close()

    asyncio.run(story())
    shop.owner = shop.connect()
    assert len(shop.store.payloads) == 2
    assert shop.waiting() == 0
    shop.store.close()
    shop.owner.close()


def test_locked_by_another_is_trouble_then_recovery(shop: Shop):
    """In WAL mode the outbox can still be read: its rows are stored once and deleted when the lock is gone."""
    exclusive = shop.owner.execute("PRAGMA journal_mode").fetchone() == ("delete",)

    async def story() -> None:
        await shop.watched.install(ORDERS)
        insert(shop, 2)
        other = shop.connect()
        other.execute("BEGIN EXCLUSIVE")
        for _ in range(2):
            assert await shop.drain.run_once() == 0
            assert "is locked by another process" in str(shop.drain.trouble)
        assert shop.store.calls == (0 if exclusive else 1)
        other.close()
        await shop.drain_all()
        assert shop.drain.trouble is None

    asyncio.run(story())
    assert (len(shop.store.payloads), shop.store.duplicates, shop.waiting()) == (2, 0, 0)


def test_a_database_without_our_tables_is_no_trouble(shop: Shop):
    asyncio.run(shop.drain.run_once())
    assert shop.drain.trouble is None
