"""What the tests of record events share: a clock, a store that is durable, and a shop."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hub.model.errors import StoreUnavailable
from hub.model.event import NewEvent, StoredEvent
from hub.model.executor import RECORD_EVENTS
from hub.triggers.record_events.drain import Drain
from hub.triggers.record_events.sqlite import SQLiteWatched

ALL = frozenset(RECORD_EVENTS)
ORDERS = {"orders": ALL}
#: Event, new row, old row.
Expected = tuple[str, dict[str, Any] | None, dict[str, Any] | None]
START = 1_800_000_000_000


class FakeClock:
    def __init__(self) -> None:
        self.ms = START
        self.seconds = 0.0

    def now(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.ms += round(seconds * 1000)
        await asyncio.sleep(0)


class Crash(BaseException):
    """The process dies here."""


class DurableStore:
    """An event store in a SQLite file of its own: unique on (source, key), durable when it answers."""

    def __init__(self, path: Path | str = ":memory:") -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, source, key, type, time, model, payload, UNIQUE (source, key))"
        )
        self.before: Callable[[Sequence[NewEvent]], None] = nothing
        self.after: Callable[[Sequence[NewEvent]], None] = nothing
        self.calls = 0
        self.duplicates = 0

    async def store_events(self, events: Sequence[NewEvent]) -> list[StoredEvent]:
        self.calls += 1
        self.before(events)
        answers = []
        self._connection.execute("BEGIN IMMEDIATE")
        for event in events:
            values = (
                event.source,
                event.key,
                event.type,
                event.time,
                event.model,
                json.dumps(event.payload, allow_nan=False),
            )
            done = self._connection.execute(
                "INSERT INTO event (source, key, type, time, model, payload) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                values,
            )
            self.duplicates += done.rowcount == 0
            answers.append(StoredEvent(id=str(event.key), duplicate=done.rowcount == 0))
        self._connection.execute("COMMIT")
        self.after(events)
        return answers

    @property
    def payloads(self) -> list[dict[str, Any]]:
        return [json.loads(text) for (text,) in self._connection.execute("SELECT payload FROM event ORDER BY id")]

    def rows(self, columns: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(f"SELECT {columns} FROM event ORDER BY id").fetchall()

    def close(self) -> None:
        self._connection.close()


def nothing(events: Sequence[NewEvent]) -> None:
    """What happens around storing when nothing happens."""


def lived_through(shop: Any, owner: Owner, transactions: int) -> int:
    """Random transactions in a shop of either kind, whose hub drains and dies before or after storing; how often it died."""
    chance, crashes = owner.chance, 0

    def maybe_die(events: Sequence[NewEvent]) -> None:
        if chance.random() < 0.2:
            raise Crash

    async def story() -> None:
        nonlocal crashes
        await shop.watched.install(ORDERS)
        shop.store.before = shop.store.after = maybe_die
        for _ in range(transactions):
            owner.transaction()
            if chance.random() < 0.1:
                try:
                    await shop.drain.run_once()
                except Crash:
                    crashes += 1
                    await shop.watched.close()
                    shop.reopen()
        shop.store.before = shop.store.after = nothing
        await shop.drain_all()
        await shop.watched.close()

    asyncio.run(story())
    return crashes


def unavailable(events: Sequence[NewEvent]) -> None:
    raise StoreUnavailable("the hub's store cannot be reached.")


def crash(events: Sequence[NewEvent]) -> None:
    raise Crash


class Owner:
    """Random transactions with savepoints on `orders`, and the events that they should make."""

    #: What opens a transaction that writes.
    begin = "BEGIN"

    def __init__(self, connection: Any, chance: random.Random) -> None:
        self.connection = connection
        self.chance = chance
        self.rows: dict[int, dict[str, Any]] = {}
        self.next_id = 1
        self.expected: list[Expected] = []

    def run(self, statement: str, **values: Any) -> None:
        """One statement with `:name` parameters."""
        self.connection.execute(statement, values)

    def transaction(self) -> None:
        rows, events = dict(self.rows), []
        self.run(self.begin)
        for _ in range(self.chance.randint(1, 4)):
            before, made = dict(rows), len(events)
            saved = self.chance.random() < 0.3
            if saved:
                self.run("SAVEPOINT here")
            events += self._statement(rows)
            if saved and self.chance.random() < 0.5:
                self.run("ROLLBACK TO here")
                rows = before
                del events[made:]
        if self.chance.random() < 0.1:
            self.run("ROLLBACK")
            return
        self.run("COMMIT")
        self.rows = rows
        self.expected += events

    def _statement(self, rows: dict[int, dict[str, Any]]) -> list[Expected]:
        kind = self.chance.random()
        if kind < 0.5 or not rows:
            new = {"id": self.next_id, "total": self.chance.randint(1, 99) / 4, "status": None}
            self.next_id += 1
            self.run("INSERT INTO orders VALUES (:id, :total, :status)", **new)
            rows[new["id"]] = new
            return [("created", new, None)]
        old = rows[self.chance.choice(list(rows))]
        if kind < 0.8:
            new = old | {"status": self.chance.choice("abc")}
            self.run("UPDATE orders SET status = :status WHERE id = :id", status=new["status"], id=new["id"])
            rows[old["id"]] = new
            return [("updated", new, old)]
        self.run("DELETE FROM orders WHERE id = :id", id=old["id"])
        del rows[old["id"]]
        return [("deleted", None, old)]


class Shop:
    """A database file as its owner uses it, and the hub beside it."""

    def __init__(self, folder: Path, *, journal: str = "wal", encoding: str = "UTF-8") -> None:
        self.path = folder / "shop.db"
        self.owner = self.connect()
        self.owner.execute(f"PRAGMA encoding='{encoding}'")
        self.owner.execute(f"PRAGMA journal_mode={journal}")
        self.owner.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, total REAL, status TEXT)")
        self.clock = FakeClock()
        self.store = DurableStore()
        self.reopen()

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.execute("PRAGMA synchronous=OFF")
        return connection

    def reopen(self) -> None:
        """The hub starts again: nothing that it held in memory is left."""
        self.watched = SQLiteWatched("shop", self.path, self.clock)
        self.drain = Drain(self.watched, self.store)

    async def drain_all(self) -> int:
        total = 0
        while count := await self.drain.run_once():
            total += count
        return total

    def waiting(self) -> int:
        return self.owner.execute("SELECT count(*) FROM _hub_outbox").fetchone()[0]

    def catalogue(self) -> list[tuple[Any, ...]]:
        return self.owner.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()
