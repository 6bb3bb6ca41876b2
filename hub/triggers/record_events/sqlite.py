"""Watching a SQLite database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from hub.model.clock import Clock
from hub.model.errors import Conflict
from hub.triggers.record_events import sqlite_outbox
from hub.triggers.record_events.sqlite_catalogue import Catalogue, read_catalogue
from hub.triggers.record_events.sqlite_file import File, reading, writing
from hub.triggers.record_events.sqlite_outbox import READY
from hub.triggers.record_events.sqlite_plan import Plan, compare, matching, standing
from hub.triggers.record_events.sqlite_text import FINDINGS, INSTALLED, OUTBOX, TABLES, quoted
from hub.triggers.record_events.wanted import Wanted
from hub.triggers.record_events.watched import (
    Finding,
    Installed,
    Moved,
    OutboxRow,
    Relation,
    Status,
    changes_wait,
    left_aside,
    shown,
    status_of,
)


class SQLiteWatched:
    """`Watched` for a SQLite file. One thread, one connection, and no lock held between calls.

    An outbox row's key is its number, its time and 128 random bits. Numbers alone come again when the outbox was emptied or the
    file was restored from a backup; a row that a restore brings back has its old key, so it makes no second event.

    What a person should know of watching a SQLite file: the hub is one more writer, so give your own connections a busy timeout;
    if an event cannot be written your change fails with it; `ALTER TABLE … DROP COLUMN` on a watched table is refused
    while its triggers stand (uninstall first, or rebuild the table).
    """

    #: Half of it is what a change waits on average. SQLite cannot notify another process.
    poll_seconds = 0.03

    def __init__(self, namespace: str, path: Path, clock: Clock) -> None:
        self._file = File(namespace, path)
        self._clock = clock
        self._generation = 0
        self._data_version: int | None = None
        self._schema_version: int | None = None
        self._verified: int | None = None

    @property
    def namespace(self) -> str:
        return self._file.namespace

    async def relations(self) -> Mapping[str, Relation]:
        return await self._file.run(lambda connection: read_catalogue(connection, ()).relations)

    async def plan(self, wanted: Wanted) -> Installed:
        return await self._file.run(lambda connection: _installed(self._compare(connection, wanted)))

    async def install(self, wanted: Wanted) -> Installed:
        """Raises Conflict when a table of somebody else has one of our names."""
        return await self._file.run(lambda connection: self._install(connection, wanted))

    async def uninstall(self, *, discard: bool = False) -> None:
        await self._file.run(lambda connection: _uninstall(connection, self.namespace, discard=discard))

    async def status(self, wanted: Wanted) -> Status:
        return await self._file.run(lambda connection: _status(connection, wanted, self._clock.now()))

    async def moved(self) -> Moved:
        return await self._file.run(self._moved)

    async def read(self, limit: int) -> list[OutboxRow]:
        return await self._file.run(lambda connection: sqlite_outbox.read(connection, limit))

    async def delete(self, rows: Sequence[OutboxRow]) -> None:
        await self._file.run(lambda connection: sqlite_outbox.delete(connection, rows))

    async def set_aside(self, row: OutboxRow, why: str) -> None:
        finding = left_aside(row, why, self._clock.now())
        await self._file.run(lambda connection: sqlite_outbox.set_aside(connection, row, finding))

    async def rest(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    async def close(self) -> None:
        await self._file.close()

    def _compare(self, connection: sqlite3.Connection, wanted: Wanted) -> Plan:
        self._notice_reopening()
        with reading(connection):
            catalogue = read_catalogue(connection, wanted)
        return compare(catalogue, wanted, now=self._clock.now(), verified=self._verified)

    def _install(self, connection: sqlite3.Connection, wanted: Wanted) -> Installed:
        self._notice_reopening()
        now = self._clock.now()
        with reading(connection):
            catalogue = read_catalogue(connection, wanted)
            schema = _schema_version(connection)
        plan = compare(catalogue, wanted, now=now, verified=self._verified)
        if not plan.idle:
            with writing(connection):
                catalogue = read_catalogue(connection, wanted)
                plan = compare(catalogue, wanted, now=now, verified=self._verified)
                _apply(connection, catalogue, plan, self.namespace)
                schema = _schema_version(connection)
        # Remembered from inside the transaction: a change right after it is then still seen as one.
        self._schema_version, self._verified = schema, now
        return _installed(plan)

    def _moved(self, connection: sqlite3.Connection) -> Moved:
        self._notice_reopening()
        (data,) = connection.execute("PRAGMA main.data_version").fetchone()
        if data == self._data_version:
            return Moved(rows=False, schema=False)
        self._data_version = data
        schema = _schema_version(connection)
        if schema != self._schema_version:
            self._schema_version = None  # said again with the next change, until `install` has looked
        return Moved(rows=True, schema=self._schema_version is None)

    def _notice_reopening(self) -> None:
        """Forget what was remembered of a connection that is gone: another file may be behind this one."""
        if self._generation != self._file.generation:
            self._generation = self._file.generation
            self._data_version = self._schema_version = self._verified = None


def _installed(plan: Plan) -> Installed:
    return Installed(tuple(plan.changes), (*plan.gaps, *plan.standing))


def _schema_version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA main.schema_version").fetchone()
    return cast("int", version)


def _apply(connection: sqlite3.Connection, catalogue: Catalogue, plan: Plan, namespace: str) -> None:
    if catalogue.taken:
        names = ", ".join(sorted(catalogue.taken))
        raise Conflict(
            f"database {shown(namespace)} has a table of somebody else under a name that the hub needs ({names}). Rename that table."
        )
    for table in TABLES.keys() - catalogue.own:
        connection.execute(TABLES[table])
    for change in sorted(plan.changes, key=lambda change: change.action != "drop"):
        if change.action != "create":
            connection.execute(f"DROP TRIGGER main.{quoted(change.trigger)}")
        if change.sql:
            connection.execute(change.sql)
    connection.executemany(f"DELETE FROM {INSTALLED} WHERE trigger_name = ?", [(name,) for name in plan.forget])
    connection.executemany(
        f"INSERT OR REPLACE INTO {INSTALLED} (trigger_name, model, kind, columns, digest, at) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (name, record.table, record.kind, json.dumps(record.columns), record.digest, record.at)
            for name, record in plan.remember.items()
        ],
    )
    sqlite_outbox.record(connection, plan.gaps)


def _uninstall(connection: sqlite3.Connection, namespace: str, *, discard: bool) -> None:
    catalogue = read_catalogue(connection, ())
    if not catalogue.own and not catalogue.triggers:
        return
    with writing(connection):
        catalogue = read_catalogue(connection, ())
        if OUTBOX in catalogue.own and not discard:
            (waiting,) = connection.execute(f"SELECT count(*) FROM {OUTBOX}").fetchone()
            if waiting:
                raise changes_wait(namespace, waiting)
        for trigger in catalogue.triggers:
            connection.execute(f"DROP TRIGGER main.{quoted(trigger)}")
        for table in catalogue.own:
            connection.execute(f"DROP TABLE main.{quoted(table)}")
        left = read_catalogue(connection, ())
        if left.own or left.triggers:
            raise Conflict(
                f"database {shown(namespace)} keeps {sorted(left.own | set(left.triggers))}; nothing was removed."
            )


def _status(connection: sqlite3.Connection, wanted: Wanted, now: int) -> Status:
    with reading(connection):
        catalogue = read_catalogue(connection, wanted)
        depths: dict[str, int] = {}
        aside, oldest, findings = 0, None, standing(catalogue, wanted, now)
        if OUTBOX in catalogue.own:
            depths = dict(
                connection.execute(f"SELECT model, count(*) FROM {OUTBOX} WHERE state = {READY} GROUP BY model")
            )
            (oldest,) = connection.execute(f"SELECT min(at) FROM {OUTBOX} WHERE state = {READY}").fetchone()
            (aside,) = connection.execute(f"SELECT count(*) FROM {OUTBOX} WHERE state <> {READY}").fetchone()
        if FINDINGS in catalogue.own:
            rows = connection.execute(f"SELECT kind, model, sentence, at FROM {FINDINGS} ORDER BY id DESC")
            findings += [Finding(*row) for row in rows]
    installed = {table: matching(catalogue, wanted, table) for table in wanted}
    return status_of(wanted, installed, depths, aside=aside, oldest_at=oldest, findings=findings)
