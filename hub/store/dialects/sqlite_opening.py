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
#: After so many pages the WAL is moved into the file, and used again from its beginning. A page of an index that a flood changes
#: again and again is moved once, and whoever waits for a commit waits for a move a quarter as often as with a quarter of them.
_WAL_PAGES = 8_000
#: It has a quarter of these from the start, and grows to the others when there is so much to write.
_AT_THE_START = 4


def open_file(path: Path, *, checkpoints: bool) -> sqlite3.Connection:
    """A connection that writes; `checkpoints` if it is the one that moves the WAL. Raises StoreBroken when it cannot be had."""
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
    connection.execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES if checkpoints else 0}")
    if checkpoints:
        _grow_wal(path, connection)
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


def _grow_wal(path: Path, connection: sqlite3.Connection) -> None:
    """Write the WAL's beginning once: commits into a file that does not grow take half the time to sync."""
    wal = Path(f"{path}-wal")
    size = _WAL_PAGES // _AT_THE_START * 4096
    if wal.exists() and wal.stat().st_size >= size:
        return
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE _wal (filling BLOB)")
        connection.execute("INSERT INTO _wal VALUES (zeroblob(?))", (size,))
        connection.execute("DROP TABLE _wal")
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
    except sqlite3.OperationalError:  # held by another process, or little space: it is only slower
        if connection.in_transaction:
            connection.execute("ROLLBACK")
