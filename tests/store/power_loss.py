"""Power losses: what a store writes and syncs is logged, and its files are made anew as a disk might hold them afterwards.

SQLite's calls to the file system go through a VFS of our own (https://rogerbinns.github.io/apsw/vfs.html). What was synced is there after
a loss; of what was written since, a disk may hold nothing, the beginning, or any part.
"""

from __future__ import annotations

import itertools
import random
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import pytest

from hub.store.dialects import sqlite as dialect_module
from hub.store.dialects import sqlite_opening, sqlite_wal
from hub.store.dialects.sqlite import SqliteDialect
from hub.store.dialects.sqlite_writing import SqliteConnection

_names = itertools.count()
_SECTOR = 512


@dataclass(frozen=True, slots=True)
class Written:
    file: str
    at: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    file: str
    size: int


@dataclass(frozen=True, slots=True)
class Synced:
    file: str


@dataclass(frozen=True, slots=True)
class Deleted:
    file: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """From here on one of the values must be found there: what was told, and what may have followed."""

    table: str
    key_column: str
    key: str
    column: str
    values: tuple[Any, ...]


Entry = Written | Cut | Synced | Deleted | Acknowledged


@dataclass(slots=True)
class Log:
    """Everything that reached the file system, in order, and when it was told to others that something is kept."""

    folder: Path
    #: What the files held at the beginning.
    base: dict[str, bytes]
    entries: list[Entry] = field(default_factory=list)
    #: What is written by one thread while another one's is synced would be taken for synced.
    lock: threading.Lock = field(default_factory=threading.Lock)


class _File(apsw.VFSFile):
    def __init__(self, log: Log, vfs: str, name: Any, flags: list[int]) -> None:
        super().__init__(vfs, name, flags)
        path = name.filename() if hasattr(name, "filename") else str(name)
        self._log = log
        self._name = Path(path).name

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's names
        with self._log.lock:
            self._log.entries.append(Written(self._name, offset, bytes(data)))
            super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:  # noqa: N802
        with self._log.lock:
            self._log.entries.append(Cut(self._name, size))
            super().xTruncate(size)

    def xSync(self, flags: int) -> None:  # noqa: N802
        with self._log.lock:
            super().xSync(flags)
            self._log.entries.append(Synced(self._name))


class _Vfs(apsw.VFS):
    def __init__(self, log: Log) -> None:
        self.title = f"logged-{next(_names)}"
        self._log = log
        super().__init__(self.title, base="")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _File(self._log, "", name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        with self._log.lock:
            self._log.entries.append(Deleted(Path(filename).name))
            super().xDelete(filename, syncdir)


class _Rows:
    """A cursor as `sqlite3` has it."""

    def __init__(self, rows: list[tuple[Any, ...]], changed: int) -> None:
        self._rows = rows
        self.rowcount = changed

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows[0] if self._rows else None


class _AsSqlite3:
    """An apsw connection with the methods of `sqlite3` that the store uses."""

    def __init__(self, connection: apsw.Connection, rewrite: Callable[[str], str]) -> None:
        self._connection = connection
        self._rewrite = rewrite

    def execute(self, sql: str, params: Sequence[Any] = ()) -> _Rows:
        before = self._connection.total_changes()
        rows = list(self._connection.execute(self._rewrite(sql), tuple(params)))
        return _Rows(rows, self._connection.total_changes() - before)

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    @property
    def total_changes(self) -> int:
        return self._connection.total_changes()

    def close(self) -> None:
        self._connection.close()


def open_logged(
    patch: pytest.MonkeyPatch, path: Path, *, wal_pages: int, rewrite: Callable[[str], str] = lambda sql: sql
) -> tuple[SqliteConnection, Log]:
    """The store's writer connection, opened by the store's own dialect; and the log of what it does to its files."""
    log = Log(
        path.parent, {file.name: file.read_bytes() for file in path.parent.iterdir() if file.name != f"{path.name}-shm"}
    )
    vfs = _Vfs(log)

    def connect(name: Path, **_settings: Any) -> _AsSqlite3:
        connection = apsw.Connection(str(name), vfs=vfs.title)
        connection.set_busy_timeout(100)
        made = _AsSqlite3(connection, rewrite)
        made.vfs = vfs  # type: ignore[attr-defined]  # it must live as long as its connection
        return made

    stand_in = type("sqlite3", (), {**vars(sqlite3), "connect": staticmethod(connect)})
    with patch.context() as patched:
        patched.setattr(dialect_module, "sqlite3", stand_in)
        patched.setattr(sqlite_opening, "sqlite3", stand_in)
        patched.setattr(sqlite_wal, "_AT_THE_START", wal_pages // 4)
        connection = SqliteDialect(path).connect()
    # The connection beside it is opened when the log has to be moved.
    patch.setattr(sqlite_wal, "sqlite3", stand_in)
    patch.setattr(sqlite_wal, "_MANY", wal_pages)
    patch.setattr(sqlite_wal, "_COMMITS_BETWEEN", 1)
    return connection, log


class Disk:
    """What the files are known to hold, and what may or may not have reached them."""

    def __init__(self, base: dict[str, bytes]) -> None:
        self._safe = {name: bytearray(data) for name, data in base.items()}
        self._loose: dict[str, list[Written | Cut]] = {}

    def take(self, entry: Entry) -> None:
        match entry:
            case Written(file) | Cut(file):
                self._loose.setdefault(file, []).append(entry)
            case Synced(file):
                for one in self._loose.pop(file, []):
                    _apply(self._safe.setdefault(file, bytearray()), one)
            case Deleted(file):
                self._loose.pop(file, None)
                self._safe.pop(file, None)
            case Acknowledged():
                pass

    def after_a_loss(self, choose: random.Random) -> Iterator[tuple[str, dict[str, bytes]]]:
        """The files as they may be found: with nothing, the beginning, and some of what was not synced."""
        yield "none", self._with(lambda _loose: [])
        yield "prefix", self._with(lambda loose: _torn(loose[: choose.randint(0, len(loose))], choose))
        yield "subset", self._with(lambda loose: [one for one in loose if choose.random() < 0.5])

    def _with(self, pick: Callable[[list[Written | Cut]], list[Written | Cut]]) -> dict[str, bytes]:
        files = {name: bytearray(data) for name, data in self._safe.items()}
        for name, loose in self._loose.items():
            for one in pick(loose):
                _apply(files.setdefault(name, bytearray()), one)
        return {name: bytes(data) for name, data in files.items()}


def _torn(loose: list[Written | Cut], choose: random.Random) -> list[Written | Cut]:
    """The last write in part: a disk writes sectors."""
    if not loose or not isinstance(last := loose[-1], Written):
        return loose
    sectors = choose.randint(0, len(last.data) // _SECTOR)
    return [*loose[:-1], Written(last.file, last.at, last.data[: sectors * _SECTOR])]


def _apply(file: bytearray, entry: Written | Cut) -> None:
    if isinstance(entry, Cut):
        del file[entry.size :]
        return
    if len(file) < entry.at:
        file.extend(bytes(entry.at - len(file)))
    file[entry.at : entry.at + len(entry.data)] = entry.data


@dataclass(slots=True)
class Losses:
    states: int = 0
    #: States in which something acknowledged was missing, and in which the database was damaged.
    lost: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)


def lose_power_everywhere(log: Log, database: str, folder: Path, *, seed: int = 1) -> Losses:
    """Cut the power behind every entry of the log, and look at what is left."""
    choose, disk, found = random.Random(seed), Disk(log.base), Losses()
    facts: dict[tuple[str, str, str, str], tuple[Any, ...]] = {}
    seen: set[tuple[int, int]] = set()
    for number, entry in enumerate(log.entries):
        disk.take(entry)
        if isinstance(entry, Acknowledged):
            facts[entry.table, entry.key_column, entry.key, entry.column] = entry.values
        for kind, files in disk.after_a_loss(choose):
            found.states += 1
            same = (hash(tuple(sorted(files.items()))), len(facts))
            if same in seen:
                continue
            seen.add(same)
            _examine(files, database, folder, facts, f"entry {number}, {kind}", found)
    return found


def _examine(
    files: dict[str, bytes],
    database: str,
    folder: Path,
    facts: dict[tuple[str, str, str, str], tuple[Any, ...]],
    where: str,
    found: Losses,
) -> None:
    for old in folder.iterdir():
        old.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    connection = sqlite3.connect(folder / database, isolation_level=None)
    try:
        if (said := connection.execute("PRAGMA integrity_check").fetchall()) != [("ok",)]:
            found.corrupt.append(f"{where}: {said[:2]}")
        for (table, key_column, key, column), values in facts.items():
            row = connection.execute(f"SELECT {column} FROM {table} WHERE {key_column} = ?", (key,)).fetchone()
            if row is None or row[0] not in values:
                found.lost.append(f"{where}: {table} {key} {column} is {row}, {values[0]} was acknowledged")
                break
    except sqlite3.DatabaseError as error:
        found.corrupt.append(f"{where}: {error}")
    finally:
        connection.close()
