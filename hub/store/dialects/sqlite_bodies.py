"""Which event was the first with a body, on SQLite.

PostgreSQL has an index for that. SQLite writes whole pages, and each hash falls on another page of an index: that was half of what a
flood of webhooks wrote. So the process that serves keeps the latest bodies in memory, and files them in the table `bodies` by and by,
many at a time and in their order, so that those of one page are written together.

Nothing hangs on memory. A mark says up to which event all bodies are filed; those behind it are filed before a new one is looked
for. Whoever does not serve does that in each of its transactions, and files its own at once.

A file that this version has not served yet has no such table, and the index of bodies does the same.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain
from typing import Any

from hub.store.dialects.base import BodyClaim
from hub.store.dialects.sqlite_errors import classified

#: Events between two marks. The bodies of so many are in memory, with some 300 bytes each.
_MANY = 16_384
#: Bodies that a commit files at least; and at least twice as many as it has new ones, so that there is an end to it.
_AT_ONCE = 256

_DELETE = "DELETE FROM bodies WHERE body = OLD.source || ' ' || OLD.body_key AND event_id = OLD.id"
_SCHEMA = (
    "CREATE TABLE bodies (body TEXT NOT NULL PRIMARY KEY, event_id TEXT NOT NULL) WITHOUT ROWID",
    f"CREATE TRIGGER bodies_gone AFTER DELETE ON events WHEN OLD.body_key IS NOT NULL BEGIN {_DELETE}; END",
    f"CREATE TRIGGER bodies_free AFTER UPDATE OF body_key ON events WHEN OLD.body_key IS NOT NULL BEGIN {_DELETE}; END",
    "DROP INDEX events_source_body",
)
_FREE = " NOT EXISTS (SELECT 1 FROM bodies WHERE bodies.body = v.source || ' ' || v.body_key) "
_ARE_KEPT = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'bodies'"
#: The number of a row grows with each commit. Only a VACUUM gives others, so the id is a part of the mark.
_LAST = "SELECT rowid || ' ' || id FROM events ORDER BY rowid DESC LIMIT 1"
_MARKED = (
    "SELECT events.rowid FROM meta JOIN events ON events.rowid = CAST(meta.value AS INTEGER) "
    "AND events.id = substr(meta.value, instr(meta.value, ' ') + 1) WHERE meta.key = 'bodies'"
)
_MARK = "INSERT INTO meta (key, value) VALUES ('bodies', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_FILE_BEHIND = (
    "INSERT OR REPLACE INTO bodies SELECT source || ' ' || body_key, id FROM events "
    "WHERE rowid > ? AND body_key IS NOT NULL ORDER BY 1"
)


Run = Callable[[str, Sequence[Any]], Any]


def are_kept(run: Run) -> bool:
    """Whether there is a table of bodies."""
    return run(_ARE_KEPT, ()).fetchone() is not None


def keep_bodies(run: Run) -> None:
    """Have the table in place of the index, in the transaction that is open. It takes two seconds for a million events, once."""
    if not are_kept(run):
        for statement in _SCHEMA:
            run(statement, ())
        _file_behind(run)


class SqliteBodies:
    """Those of one connection, which says when its transactions end."""

    def __init__(self, connection: sqlite3.Connection, serving: Callable[[], bool]) -> None:
        """`serving`: whether no other process takes webhooks."""
        self._connection = connection
        self._serving = serving
        #: Whether memory and table together have all, whether that came with the open transaction, and whether there is a table.
        self._complete = self._completed_now = self.kept = False
        #: A body and its event.
        self._recent: dict[str, str] = {}
        #: What is to be filed, the first one last, and the mark that is set with the last one.
        self._filing: list[str] = []
        self._mark: str | None = None
        #: Events since that mark was made.
        self._events = 0
        #: Of the open transaction: what it claims and whose that was, how many events it has, and how many bodies it files.
        self._claimed: list[tuple[str, str | None]] = []
        self._events_now = self._filed = 0
        #: Of its savepoint: how many were claimed before, and whether all were there.
        self._saved = 0, False

    @property
    def free_body(self) -> str:
        """The condition that stands for `Bulk.FREE_BODY`."""
        return _FREE if self.kept else " true "

    def claim(self, claims: Sequence[BodyClaim]) -> set[str]:
        late: set[str] = set()
        if not self._complete:
            if not self._serving() and all(key is None for _, _, key in claims):
                return late  # a command is not to hold the file for what it does not need
            self._find()
        if not self.kept:
            return late
        if self._events >= _MANY and self._mark is None and not self._events_now and self._serving():
            self._plan()
        recent, claimed = self._recent, self._claimed
        for event, source, key in claims:
            if key is not None:
                body = f"{source} {key}"
                if body in recent:
                    late.add(event)
                else:
                    recent[body] = event
                    claimed.append((body, None))
        self._events_now += len(claims)
        return late

    def refused(self, claim: BodyClaim) -> None:
        event, source, key = claim
        body = f"{source} {key}"
        if self._recent.get(body) == event:
            del self._recent[body]

    def holders(self, claim: BodyClaim) -> list[str]:
        _, source, key = claim
        body = f"{source} {key}"
        if self.kept:
            found = self._run("SELECT event_id FROM bodies WHERE body = ?", (body,)).fetchall()
        else:
            found = self._run("SELECT id FROM events WHERE source = ? AND body_key = ?", (source, key)).fetchall()
        names = [str(name) for (name,) in found]
        return [self._recent[body], *names] if body in self._recent else names

    def take(self, claim: BodyClaim) -> None:
        event, source, key = claim
        if self.kept and key is not None:
            body = f"{source} {key}"
            self._run("DELETE FROM bodies WHERE body = ?", (body,))
            self._claimed.append((body, self._recent.get(body)))
            self._recent[body] = event

    def committing(self) -> None:
        """The open transaction is about to be committed."""
        if self._mark is not None:
            self._filed = min(len(self._filing), max(_AT_ONCE, 2 * len(self._claimed)))
            self._file(self._part())
            if self._filed == len(self._filing):
                self._run(_MARK, (self._mark,))
        elif self._claimed and not self._serving():
            self._file([body for body, _ in self._claimed])

    def committed(self) -> None:
        if self._mark is not None:
            for body in self._part():
                self._recent.pop(body, None)
            del self._filing[len(self._filing) - self._filed :]
            if not self._filing:
                self._mark = None
        self._events += self._events_now
        self._completed_now = False
        self._end()

    def rolled_back(self) -> None:
        """Nothing of the open transaction has happened."""
        self._give_up(0)
        if self._completed_now:
            self._forget()
        self._end()

    def saved(self) -> None:
        self._saved = len(self._claimed), self._complete

    def rolled_back_to(self) -> None:
        """Nothing has happened since the savepoint."""
        claimed, complete = self._saved
        self._give_up(claimed)
        if not complete:
            self._forget()

    def _find(self) -> None:
        self.kept = are_kept(self._run)
        if self.kept:
            _file_behind(self._run)
        self._complete = self._completed_now = True

    def _plan(self) -> None:
        """All that is in memory, which is committed, is to be filed."""
        last = self._run(_LAST).fetchone()
        if last is not None:
            self._mark = last[0]
            self._filing = sorted(self._recent, reverse=True)
        self._events = 0

    def _part(self) -> list[str]:
        """What the open transaction files, in order."""
        return self._filing[: -self._filed - 1 : -1]

    def _file(self, bodies: Sequence[str]) -> None:
        rows = [(body, self._recent[body]) for body in bodies if body in self._recent]
        if rows:
            # Filled up with the last one again, so that few texts are prepared.
            size = 1 << (len(rows) - 1).bit_length()
            rows += rows[-1:] * (size - len(rows))
            self._run(_file_text(size), list(chain.from_iterable(rows)))

    def _give_up(self, kept: int) -> None:
        """What was claimed behind the first so many."""
        for body, before in reversed(self._claimed[kept:]):
            if before is None:
                self._recent.pop(body, None)
            else:
                self._recent[body] = before
        del self._claimed[kept:]

    def _end(self) -> None:
        self._claimed = []
        self._events_now = self._filed = 0
        if not self._serving():
            self._forget()

    def _forget(self) -> None:
        self._complete = self._completed_now = False
        self._recent.clear()

    def _run(self, sql: str, params: Sequence[Any] = ()) -> sqlite3.Cursor:
        try:
            return self._connection.execute(sql, params)
        except sqlite3.DatabaseError as error:
            raise classified(error) from error


def _file_behind(run: Run) -> None:
    """File what is behind the mark, and set another one."""
    mark = run(_MARKED, ()).fetchone()
    run(_FILE_BEHIND, (0 if mark is None else mark[0],))
    last = run(_LAST, ()).fetchone()
    if last is not None:
        run(_MARK, last)


@cache
def _file_text(count: int) -> str:
    return f"INSERT OR IGNORE INTO bodies VALUES {','.join(['(?, ?)'] * count)}"
