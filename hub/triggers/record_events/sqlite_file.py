"""One watched SQLite file: its connection, the thread that it lives on, and its errors in plain words."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from hub.triggers.record_events.sqlite_wire import decoded
from hub.triggers.record_events.watched import DatabaseUnavailable

T = TypeVar("T")

#: Longer waits would hold up everything that shares the thread; the next run tries again anyway.
_BUSY_SECONDS = 0.25

_SENTENCES: dict[int, str] = {
    sqlite3.SQLITE_BUSY: "{file} is locked by another process. Record events wait in it, none is lost. "
    "If this lasts, look for a process that keeps a write transaction open.",
    sqlite3.SQLITE_LOCKED: "{file} is locked by another connection. Record events wait in it, none is lost.",
    sqlite3.SQLITE_READONLY: "{file} cannot be written. Give the hub write permission on the file and on its folder.",
    sqlite3.SQLITE_CANTOPEN: "{file} cannot be opened. See that it is a file and that the hub may read and write it and its folder.",
    sqlite3.SQLITE_CORRUPT: '{file} is damaged. Restore it from a backup; sqlite3 FILE "PRAGMA integrity_check" says what is wrong.',
    sqlite3.SQLITE_NOTADB: "{file} is not a SQLite database, or it is encrypted. See databases in config/hub.yaml.",
    sqlite3.SQLITE_FULL: "{file}: the disk is full. Record events wait in it; writes by others fail too until there is room.",
    sqlite3.SQLITE_IOERR: "{file}: the disk reported an error.",
}


class File:
    """Runs functions on a connection to one SQLite file, one at a time, on one thread.

    The file is never created. It is opened anew after an error, and when another file has taken its place.
    """

    def __init__(self, namespace: str, path: Path) -> None:
        self.namespace = namespace
        self.path = path
        #: Counts the times that the file was opened; what was remembered of the last one no longer holds.
        self.generation = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"watched-{namespace}")
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result of `work`. Raises DatabaseUnavailable; a transaction that was open then is rolled back."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, work)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._drop)
        self._thread.shutdown(wait=False)

    def _guarded(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return work(self._open())
        except OSError as error:
            self._drop()
            raise DatabaseUnavailable(self.namespace, self._missing(error)) from error
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code not in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                self._drop()
            sentence = _SENTENCES.get(code, "{file}: " + str(error).replace("{", "{{").replace("}", "}}"))
            raise DatabaseUnavailable(self.namespace, sentence.format(file=self.path)) from error

    def _missing(self, error: OSError) -> str:
        if isinstance(error, FileNotFoundError):
            return (
                f"there is no file {self.path}. Create it, or mend databases.{self.namespace}.url in config/hub.yaml."
            )
        return f"{self.path}: {error.strerror}."

    def _open(self) -> sqlite3.Connection:
        found = self.path.stat()
        if self._connection is not None and self._identity == (found.st_dev, found.st_ino):
            return self._connection
        self._drop()
        uri = self.path.absolute().as_uri() + "?mode=rw"
        connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            connection.text_factory = decoded
            (mode,) = connection.execute("PRAGMA main.journal_mode").fetchone()
            if mode == "wal":
                # A deletion that a power failure undoes is only done again; and checkpoints are left to the database's own
                # writers: builds before 3.51.3 can lose data when two connections reset the log.
                connection.execute("PRAGMA synchronous=NORMAL")
                connection.execute("PRAGMA wal_autocheckpoint=0")
        except sqlite3.Error:
            connection.close()
            raise
        self._connection, self._identity = connection, (found.st_dev, found.st_ino)
        self.generation += 1
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """A write transaction. It takes its lock at the start: a read transaction that upgrades is refused without waiting."""
    connection.execute("BEGIN IMMEDIATE")
    with _ending(connection):
        yield


@contextmanager
def reading(connection: sqlite3.Connection) -> Iterator[None]:
    """One consistent picture. Nothing is written inside."""
    connection.execute("BEGIN")
    with _ending(connection):
        yield


@contextmanager
def _ending(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
