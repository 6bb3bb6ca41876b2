"""SQLite: one file, one writer connection, WAL with `synchronous=FULL`.

`NORMAL` loses acknowledged commits at a power failure, so it is never used. Only the process that serves moves the WAL into
the file (`sqlite_wal`).
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import URL, Engine, MetaData, StaticPool, create_engine
from sqlalchemy import Connection as SqlConnection
from sqlalchemy.exc import DatabaseError, OperationalError

from hub.store.dialects.base import StoreBroken, StoreBusy
from hub.store.dialects.foretelling import FileForetold, Foretold
from hub.store.dialects.sqlite_bodies import SqliteBodies, are_kept, keep_bodies
from hub.store.dialects.sqlite_file import FileWatch, network_dangers
from hub.store.dialects.sqlite_opening import open_file
from hub.store.dialects.sqlite_wal import Wal
from hub.store.dialects.sqlite_writing import SqliteConnection

log = logging.getLogger(__name__)

_READ_BUSY_MS = 5_000
#: How long one process waits while another one makes the tables, or brings them up to date.
_SCHEMA_BUSY_MS = 60_000


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
        connection = self._memory_connection() if self._path is None else open_file(self._path)
        bodies = SqliteBodies(connection, lambda: self._seat is not None)
        wal = Wal(self._path, connection) if self._path is not None and self._checkpoints else None
        return SqliteConnection(connection, self._foretold, bodies, wal)

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
        seat = self._lock_seat(fcntl.LOCK_EX)
        if seat is not None:
            self._keep_bodies()
            self._seat = seat
        return seat is not None

    def _keep_bodies(self) -> None:
        """What whoever serves has to do once, while nobody else does. If the file is held just now, the next one does it."""
        assert self._path is not None
        try:
            with closing(open_file(self._path)) as connection:
                if not are_kept(connection.execute):
                    connection.execute("BEGIN IMMEDIATE")
                    keep_bodies(connection.execute)
                    connection.execute("COMMIT")
        except (StoreBroken, sqlite3.DatabaseError) as error:
            log.info("bodies are known by their index until the next start: %s", error)

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
