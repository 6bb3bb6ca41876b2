"""SQLite: the writer's connection to a file, in WAL mode with `synchronous=FULL`, also while others open it or close it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hub.store.dialects.base import StoreBroken

#: How long one attempt to begin waits for another process. The writer tries again; callers have their own deadlines.
_BUSY_MS = 100
#: How long whoever opens the file waits: the last one that closes it moves its whole WAL first.
_OPENING_BUSY_MS = 2_000
#: So many others at most come in between, each of them to put the same file in the same mode.
_ATTEMPTS = 20


def open_file(path: Path) -> sqlite3.Connection:
    """A connection that writes, and never moves the WAL by itself. Raises StoreBroken when it cannot be had."""
    try:
        connection = sqlite3.connect(
            path,
            isolation_level=None,
            timeout=_OPENING_BUSY_MS / 1000,
            check_same_thread=False,
            cached_statements=512,
        )
    except sqlite3.Error as error:
        raise StoreBroken(str(error)) from error
    path.chmod(0o600)
    try:
        mode = _put_in_wal_mode(connection)
    except sqlite3.Error as error:  # locked, or no database at all
        connection.close()
        raise StoreBroken(str(error)) from error
    if mode != "wal":
        connection.close()
        raise StoreBroken(f"{path} cannot be put in WAL mode; is it on a network file system?")
    connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA cache_size=-8192")
    # A statement of many rows can be taken back by itself; what that takes need not be written to a file.
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    return connection


def _put_in_wal_mode(connection: sqlite3.Connection) -> str:
    """The mode that the file has then. SQLite itself does not wait for another one that changes the mode, since this one
    has read the file's head by then: it is refused at once, however long the timeout. A write does wait for the other.
    """
    for _ in range(_ATTEMPTS):
        try:
            return str(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("COMMIT")
    return str(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])
