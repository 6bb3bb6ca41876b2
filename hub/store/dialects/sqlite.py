"""SQLite: one file, one writer connection, WAL with `synchronous=FULL`.

`NORMAL` loses acknowledged commits at a power failure, so it is never used. Only the process that serves moves the WAL into
the file (`sqlite_wal`).
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, MetaData, StaticPool, create_engine
from sqlalchemy import Connection as SqlConnection
from sqlalchemy.exc import DatabaseError, OperationalError

from hub.store.dialects.base import Bulk, Many, Row, StoreBusy
from hub.store.dialects.foretelling import FileForetold, Foretold
from hub.store.dialects.sqlite_errors import classified
from hub.store.dialects.sqlite_file import FileWatch, network_dangers
from hub.store.dialects.sqlite_opening import open_file
from hub.store.dialects.sqlite_wal import Wal

_READ_BUSY_MS = 5_000
#: How long one process waits while another one makes the tables, or brings them up to date.
_SCHEMA_BUSY_MS = 60_000
#: Of one statement. A few hundred rows: the prepared statements of every size are kept, and those of a thousand rows took 20 MiB.
_MOST_PARAMETERS = 4_096


class SqliteTx:
    """A write transaction of the one connection."""

    skip_locked = ""

    def __init__(self, connection: sqlite3.Connection, foretold: Foretold) -> None:
        self._connection = connection
        self._foretold = foretold
        self._bulk_sql: dict[tuple[int, int], str] = {}

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        try:
            return self._connection.execute(sql, params).fetchall()
        except sqlite3.DatabaseError as error:
            raise classified(error) from error

    def many(self, question: Many, params: Sequence[Any] = ()) -> list[Row]:
        """All rows as one text of JSON: each row that is stepped to lets go of the interpreter's lock, and while a loop is
        busy it takes milliseconds to have it back.
        """
        kinds = [column.rpartition(":")[2] for column in question.columns.split()]
        ((text,),) = self.rows(self._packed(question), params)
        rows: list[list[Any]] = json.loads(text)
        for at, kind in enumerate(kinds):
            if kind == "bytes":
                for row in rows:
                    row[at] = None if row[at] is None else bytes.fromhex(row[at])
        return [tuple(row) for row in rows]

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        try:
            return self._connection.execute(sql, params).rowcount
        except sqlite3.DatabaseError as error:
            raise classified(error) from error

    def bulk(self, statement: Bulk, rows: Sequence[Row]) -> list[Row]:
        """One statement, unless there are very many rows: each lets go of the interpreter's lock, and getting that back from
        a busy loop takes as long as the work itself. Filled up to a round number, so that few texts are prepared.
        """
        found: list[Row] = []
        width = len(statement.names)
        most = 1 << ((_MOST_PARAMETERS // (width + 1)).bit_length() - 1)
        for start in range(0, len(rows), most):
            part = rows[start : start + most]
            size = _round_number(len(part))
            flat = list(chain.from_iterable(part))
            flat += (None,) * (width * (size - len(part)))
            flat.append(len(part))
            found += self.rows(self._text(statement, size), flat)
        return found

    def bulk_count(self, statement: Bulk, rows: Sequence[Row]) -> int:
        """Each row that a statement returns lets go of the interpreter's lock, and getting it back from a busy loop takes
        milliseconds. The count is had for nothing.
        """
        before = self._connection.total_changes
        self.bulk(statement, rows)
        return self._connection.total_changes - before

    def put(self, statement: Bulk, rows: Sequence[Row]) -> None:
        self.bulk(statement, rows)

    def put_new(self, statement: Bulk, rows: Sequence[Row]) -> bool:  # noqa: ARG002 - to look first costs nothing here
        return False

    def hold(self, executions: Sequence[str]) -> None:
        """A write transaction is alone with the file."""

    def lock(self, name: str) -> None:
        """As above."""

    def try_lock(self, name: str) -> bool:  # noqa: ARG002 - as above
        return True

    def foretell_cancel(self) -> None:
        self._foretold.add()

    def clock(self, now: int) -> int:
        return now

    @staticmethod
    @cache
    def _packed(question: Many) -> str:
        shown = [
            f"CASE WHEN {name} IS NULL THEN NULL ELSE hex({name}) END" if kind == "bytes" else name
            for name, _, kind in (column.partition(":") for column in question.columns.split())
        ]
        inner = f"SELECT {', '.join(question.names)} {question.body}"
        return f"SELECT json_group_array(json_array({', '.join(shown)})) FROM ({inner})"

    def _text(self, statement: Bulk, size: int) -> str:
        known = self._bulk_sql.get((id(statement), size))
        if known is None:
            names = statement.names
            body = statement.body.replace(Bulk.HELD, " executions ")
            one = f"({','.join('?' * len(names))})"
            columns = ",".join(names)
            known = (
                f"WITH filled({columns}) AS (VALUES {','.join([one] * size)}), "
                f"v AS (SELECT {columns} FROM filled LIMIT ?) {body}"
            )
            self._bulk_sql[id(statement), size] = known
        return known


def _round_number(count: int) -> int:
    """The next number with only its three highest bits set: at most a quarter more."""
    step = 1 << max(0, (count - 1).bit_length() - 3)
    return -(-count // step) * step


class SqliteConnection:
    """The writer's connection."""

    def __init__(self, connection: sqlite3.Connection, foretold: Foretold, wal: Wal | None = None) -> None:
        """`wal`: that of the file, if this connection is the one that moves it."""
        self.raw = connection
        self._tx = SqliteTx(connection, foretold)
        self.wal = wal
        self.waiting: Callable[[], None] = lambda: None

    def begin(self) -> SqliteTx:
        # Always IMMEDIATE: an upgrade from read to write fails at once whatever the busy timeout.
        self._execute("BEGIN IMMEDIATE")
        return self._tx

    def commit(self) -> None:
        self._execute("COMMIT")
        if self.wal is not None:
            self.wal.committed()

    def verdict(self) -> bool:
        return False  # a file never leaves a commit in doubt

    def rollback(self) -> None:
        if self.raw.in_transaction:
            self._execute("ROLLBACK")

    def savepoint(self) -> None:
        self._execute("SAVEPOINT one")

    def release(self) -> None:
        self._execute("RELEASE one")

    def rollback_to(self) -> None:
        self._execute("ROLLBACK TO one")
        self._execute("RELEASE one")

    def close(self) -> None:
        if self.wal is not None:
            self.wal.close()
            self.wal = None
        self.raw.close()

    def _execute(self, sql: str) -> None:
        try:
            self.raw.execute(sql)
        except sqlite3.DatabaseError as error:
            raise classified(error) from error


class SqliteDialect:
    """A file, or `:memory:` when there is no path."""

    def __init__(self, path: Path | None, *, checkpoints: bool = True) -> None:
        self._path = path
        #: Only the serving process moves the WAL into the file.
        self._checkpoints = checkpoints
        self.single_connection = path is None
        self.shared = False
        self.shown = "sqlite://" if path is None else f"sqlite:///{path}"
        self._memory: sqlite3.Connection | None = None
        self._engine: Engine | None = None
        self._seat: int | None = None
        self._foretold = Foretold() if path is None else FileForetold(self._seat_path(path))
        self.foretold = self._foretold.count

    def connect(self) -> SqliteConnection:
        if self._path is None:
            return SqliteConnection(self._memory_connection(), self._foretold)
        connection = open_file(self._path)
        return SqliteConnection(connection, self._foretold, Wal(self._path, connection) if self._checkpoints else None)

    def engine(self) -> Engine:
        if self._engine is None:
            if self._path is None:
                self._engine = create_engine("sqlite://", creator=self._memory_connection, poolclass=StaticPool)
            else:
                self._engine = create_engine(
                    URL.create("sqlite", database=str(self._path)),  # as a text, a "?" would end the path
                    connect_args={"timeout": _READ_BUSY_MS / 1000, "check_same_thread": False},
                )
        return self._engine

    def schema(self, declared: MetaData) -> MetaData:
        return declared

    @contextmanager
    def changing_schema(self) -> Iterator[SqlConnection]:
        try:
            with self.engine().begin() as connection:
                if self._path is not None:
                    # Whoever is at it needs its time, and this one has to wait for it.
                    connection.exec_driver_sql(f"PRAGMA busy_timeout={_SCHEMA_BUSY_MS}")
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                    connection.exec_driver_sql(f"PRAGMA busy_timeout={_READ_BUSY_MS}")
                yield connection
        except OperationalError as error:
            raise StoreBusy(str(error.orig)) from error

    def dangers(self) -> list[str]:
        return [] if self._path is None else network_dangers(self._path)

    def damage(self) -> list[str]:
        try:
            with self.engine().connect() as connection:
                said = [row[0] for row in connection.exec_driver_sql("PRAGMA integrity_check")]
        except OperationalError as error:
            raise StoreBusy(str(error.orig)) from error
        except DatabaseError as error:  # so broken that it cannot be looked through
            return [str(error.orig)]
        return [] if said == ["ok"] else said

    def oldest_transaction(self) -> None:
        """Whoever reads for long keeps the write-ahead log, which nothing that is looked for is in the way of."""

    def watch(self, ring: Callable[[str], None]) -> FileWatch:
        return FileWatch(self._path, ring, self._foretold)

    def take_seat(self) -> bool:
        """By a lock on a file beside the database, which the kernel lets go when the process ends, however it ends."""
        if self._path is None or self._seat is not None:
            return True
        self._seat = self._lock_seat(fcntl.LOCK_EX)
        return self._seat is not None

    def seat_is_free(self) -> bool:
        if self._path is None or self._seat is not None:
            return True
        looked = self._lock_seat(fcntl.LOCK_SH)
        if looked is not None:
            os.close(looked)
        return looked is not None

    @staticmethod
    def _seat_path(path: Path) -> Path:
        """It is locked by the process that serves, and holds the word that counts cancels."""
        return Path(f"{path}-seat")

    def _lock_seat(self, how: int) -> int | None:
        assert self._path is not None
        seat = os.open(self._seat_path(self._path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(seat, how | fcntl.LOCK_NB)
        except OSError:
            os.close(seat)
            return None
        return seat

    def close(self) -> None:
        if self._seat is not None:
            os.close(self._seat)
            self._seat = None
        self._foretold.close()
        if self._memory is not None:
            self._memory.close()
        if self._engine is not None:
            self._engine.dispose()
        self._memory = self._engine = None

    def _memory_connection(self) -> sqlite3.Connection:
        if self._memory is None:
            self._memory = sqlite3.connect(
                ":memory:", isolation_level=None, check_same_thread=False, cached_statements=512
            )
        return self._memory
