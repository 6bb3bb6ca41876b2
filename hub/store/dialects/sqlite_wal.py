"""SQLite's write-ahead log on its way into the file, while commits go on.

SQLite would move it within a commit, and everybody waits for that: for thousands of pages to be copied, and for the disk to
have them. Here a thread copies what is there, and has the disk write it. What came meanwhile is little, and moved by the writer
itself; then the log begins anew.

Until 3.51.3 SQLite can lose commits where a move begins just as another connection lets the log begin anew
(https://sqlite.org/wal.html#walresetbug). A log can only do so while nothing in it is left to be moved. So each move begins
behind a commit of the writer's, which is left to be moved, no two of them run at once, and nobody else moves anything.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from bisect import bisect_left
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path

from hub.store.dialects.base import StoreBroken
from hub.store.dialects.sqlite_errors import classified

log = logging.getLogger(__name__)

#: Pages after which the log is moved. One of an index that a flood changes again and again is copied once, however often it
#: stands in the log; but the file takes as much room, and is read through after a crash.
_MANY = 16_000
#: So many it has from the start.
_AT_THE_START = 2_000
_PAGE = 4_096
#: To ask for the length takes some µs.
_COMMITS_BETWEEN = 16
#: The log's head, with the page's size and the salt at these places; and that of a frame, with the salt
#: (https://sqlite.org/fileformat2.html#walformat).
_HEAD, _SIZE, _SALT = 32, slice(8, 12), slice(16, 24)
_FRAME_HEAD, _FRAME_SALT = 24, 8

_sync = getattr(os, "fdatasync", os.fsync)  # not every system has the former


class Wal:
    """Is told of each commit, on the writer's thread."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        """`connection` is the writer's."""
        self._path = path
        self._writer = connection
        _grow(path, connection)
        #: No lock is ever held by it, as on the file itself: it may be closed.
        self._file = os.open(f"{path}-wal", os.O_RDONLY | os.O_CLOEXEC)
        self._thread = ThreadPoolExecutor(1, "hub-wal")
        self._beside: sqlite3.Connection | None = None
        self._copying: Future[None] | None = None
        self._commits = 0
        #: How long the log was when it was last moved, until it has begun anew: a reader may keep it.
        self._moved = 0

    def committed(self) -> None:
        """Begin to move the log when it has become long, or move the rest when the thread is through.

        Raises StoreBroken when the disk has failed, and nothing else: what is committed must not look as if it were not.
        """
        try:
            self._go_on()
        except StoreBroken:
            raise
        except Exception:
            log.exception("the write-ahead log could not be moved; it is tried again")

    def _go_on(self) -> None:
        if self._copying is not None:
            if self._copying.done():
                copied, self._copying = self._copying, None
                copied.result()
                _move(self._writer)
                self._moved = self.length()
            return
        self._commits += 1
        if self._commits % _COMMITS_BETWEEN == 0:
            length = self.length()
            if length < self._moved:
                self._moved = 0
            if length - self._moved >= _MANY:
                self._copying = self._thread.submit(self._copy)

    def length(self) -> int:
        """Pages since the log last began: what stands behind them is older, and has another salt than its head."""
        head = os.pread(self._file, _HEAD, 0)
        if len(head) < _HEAD:
            return 0
        frame, salt = _FRAME_HEAD + int.from_bytes(head[_SIZE]), head[_SALT]
        frames = (os.fstat(self._file).st_size - _HEAD) // frame

        def older(number: int) -> bool:
            return os.pread(self._file, len(salt), _HEAD + number * frame + _FRAME_SALT) != salt

        return bisect_left(range(frames), True, key=older)

    def close(self) -> None:
        """The connections' last one moves the rest, as SQLite has it."""
        self._thread.shutdown()
        if self._beside is not None:
            self._beside.close()
        os.close(self._file)

    def _copy(self) -> None:
        if self._beside is None:
            self._beside = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            self._beside.execute("PRAGMA synchronous=FULL")
        file = _kept(self._path)
        _move(self._beside)
        # SQLite has the disk write the copies only when all of the log is copied: by the writer, who would wait for it.
        try:
            _sync(file)
        except OSError as error:
            raise StoreBroken(f"{self._path}: {error.strerror}") from error


def _move(connection: sqlite3.Connection) -> None:
    """Copy what no reader needs where it is. What could not be copied stays in the log."""
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    except sqlite3.DatabaseError as error:
        found = classified(error)
        if isinstance(found, StoreBroken):
            raise found from error
        log.debug("the write-ahead log stays as it is: %s", error)


@cache
def _kept(path: Path) -> int:
    """The file, open as long as the process lives: to close it would take away the locks that SQLite has on it
    (https://sqlite.org/howtocorrupt.html, section 2.2).
    """
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _grow(path: Path, connection: sqlite3.Connection) -> None:
    """Write the log's beginning once: commits into a file that does not grow take half the time to sync."""
    wal, size = Path(f"{path}-wal"), _AT_THE_START * _PAGE
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
