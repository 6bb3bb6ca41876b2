"""What the tests of record events share: a clock, a store that is durable, and a shop."""

from __future__ import annotations

import asyncio
import json
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


def unavailable(events: Sequence[NewEvent]) -> None:
    raise StoreUnavailable("the hub's store cannot be reached.")


def crash(events: Sequence[NewEvent]) -> None:
    raise Crash


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
