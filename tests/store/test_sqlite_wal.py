"""The write-ahead log of a SQLite file is moved while commits go on, by one at a time, and begins anew."""

from __future__ import annotations

import errno
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from kit import PATIENCE

from hub.store.dialects import sqlite_wal
from hub.store.dialects.base import StoreBroken, StoreBusy
from hub.store.dialects.sqlite import SqliteDialect
from hub.store.dialects.sqlite_writing import SqliteConnection

_MANY = 40

#: Another process that writes, and never moves the log, as commands do.
OTHER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute("PRAGMA wal_autocheckpoint=0")
for _ in range(int(sys.argv[2])):
    connection.execute("INSERT INTO pages (of, data) VALUES ('other', zeroblob(3000))")
"""


@pytest.fixture
def path(quick_path: Path) -> Path:
    path = quick_path / "hub.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE pages (of TEXT, data BLOB)")
    return path


@pytest.fixture
def opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteConnection]:
    """The connection of a hub that serves, whose log is moved after few pages."""
    monkeypatch.setattr(sqlite_wal, "_MANY", _MANY)
    monkeypatch.setattr(sqlite_wal, "_COMMITS_BETWEEN", 1)
    monkeypatch.setattr(sqlite_wal, "_AT_THE_START", 20)
    connection = SqliteDialect(path).connect()
    yield connection
    connection.close()


def commit(connection: SqliteConnection, pages: int = 1) -> None:
    while True:
        try:
            transaction = connection.begin()
        except StoreBusy:  # as the writer, it tries again
            continue
        break
    for _ in range(pages):
        transaction.run("INSERT INTO pages (of, data) VALUES ('hub', zeroblob(3000))")
    connection.commit()


def commit_until(connection: SqliteConnection, holds: Callable[[], bool]) -> int:
    """How many commits it took."""
    for count in range(100_000):
        if holds():
            return count
        commit(connection)
    raise AssertionError("it does not happen")


def written(connection: SqliteConnection) -> int:
    """Rows of its own; one was the filling of the log."""
    return connection.raw.total_changes - 1


def length(connection: SqliteConnection) -> int:
    assert connection.wal is not None
    return connection.wal.length()


def stored(path: Path, of: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return int(connection.execute("SELECT count(*) FROM pages WHERE of = ?", (of,)).fetchone()[0])


def test_the_length_is_what_sqlite_says(opened: SqliteConnection) -> None:
    for pages in (10, 30, 20):
        commit(opened, pages)
        told = length(opened)
        _, frames, _ = opened.raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        assert told == frames >= pages
        commit(opened)  # all of it is moved: it begins anew
        assert length(opened) < told


def test_commits_go_on_while_the_disk_writes_what_was_moved(
    opened: SqliteConnection, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_it, through = threading.Event(), threading.Event()

    def slow_disk(_file: int) -> None:
        at_it.set()
        assert through.wait(PATIENCE)

    monkeypatch.setattr(sqlite_wal, "_sync", slow_disk)
    commit_until(opened, at_it.is_set)
    for _ in range(3 * _MANY):
        commit(opened)
    grown = length(opened)
    assert grown > 3 * _MANY
    through.set()
    commit_until(opened, lambda: length(opened) < grown)  # it begins anew
    assert stored(path, "hub") == written(opened)


def test_a_log_that_a_reader_keeps_is_not_moved_again_and_again(
    opened: SqliteConnection, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moves: list[sqlite3.Connection] = []
    move = sqlite_wal._move  # what is counted is the real one

    def counted(connection: sqlite3.Connection) -> None:
        moves.append(connection)
        move(connection)

    monkeypatch.setattr(sqlite_wal, "_move", counted)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM pages").fetchall()
        commit(opened)
        commit_until(opened, lambda: len(moves) >= 4)
        # One of the thread's and one of the writer's, whenever so many pages were added.
        assert length(opened) >= 2 * _MANY
        assert len(moves) <= 2 * (length(opened) // _MANY)
    kept = length(opened)
    commit_until(opened, lambda: length(opened) < kept)  # it begins anew when the reader has gone
    assert stored(path, "hub") == written(opened)


def test_a_disk_that_fails_is_no_ground_to_go_on(opened: SqliteConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken_disk(_file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(sqlite_wal, "_sync", broken_disk)
    with pytest.raises(StoreBroken, match="Input/output error"):
        commit_until(opened, lambda: False)


def test_a_commit_stands_when_the_log_cannot_be_moved(
    opened: SqliteConnection, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error behind a commit would have its batch written a second time."""
    tried = threading.Event()

    def no_more_files(_path: Path) -> int:
        tried.set()
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(sqlite_wal, "_kept", no_more_files)
        commit_until(opened, tried.is_set)
        for _ in range(3 * _MANY):
            commit(opened)
    grown = length(opened)
    commit_until(opened, lambda: length(opened) < grown)  # it begins anew when there are files again
    assert stored(path, "hub") == written(opened)


def test_nothing_of_another_process_is_lost(opened: SqliteConnection, path: Path) -> None:
    """It commits at any moment of the moves, and lets the log begin anew as the hub itself does."""
    count = 1_000
    with subprocess.Popen([sys.executable, "-c", OTHER, str(path), str(count)]) as other:
        while other.poll() is None:
            commit(opened)
    grown = length(opened)
    commit_until(opened, lambda: length(opened) < grown)
    assert (stored(path, "hub"), stored(path, "other")) == (written(opened), count)
