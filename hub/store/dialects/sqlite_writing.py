"""The writer's connection to a SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain
from typing import Any

from hub.store.dialects.base import Bulk, Many, Row
from hub.store.dialects.foretelling import Foretold
from hub.store.dialects.sqlite_bodies import SqliteBodies
from hub.store.dialects.sqlite_errors import classified
from hub.store.dialects.sqlite_wal import Wal

#: Of one statement. A few hundred rows: the prepared statements of every size are kept, and those of a thousand rows took 20 MiB.
_MOST_PARAMETERS = 4_096


class SqliteTx:
    """A write transaction of the one connection."""

    skip_locked = ""

    def __init__(self, connection: sqlite3.Connection, foretold: Foretold, bodies: SqliteBodies) -> None:
        self._connection = connection
        self._foretold = foretold
        self.bodies = bodies
        self._bulk_sql: dict[tuple[int, int, str], str] = {}

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
        free_body = self.bodies.free_body
        known = self._bulk_sql.get((id(statement), size, free_body))
        if known is None:
            names = statement.names
            body = statement.body.replace(Bulk.HELD, " executions ").replace(Bulk.FREE_BODY, free_body)
            one = f"({','.join('?' * len(names))})"
            columns = ",".join(names)
            known = (
                f"WITH filled({columns}) AS (VALUES {','.join([one] * size)}), "
                f"v AS (SELECT {columns} FROM filled LIMIT ?) {body}"
            )
            self._bulk_sql[id(statement), size, free_body] = known
        return known


def _round_number(count: int) -> int:
    """The next number with only its three highest bits set: at most a quarter more."""
    step = 1 << max(0, (count - 1).bit_length() - 3)
    return -(-count // step) * step


class SqliteConnection:
    """The writer's connection."""

    def __init__(
        self, connection: sqlite3.Connection, foretold: Foretold, bodies: SqliteBodies, wal: Wal | None = None
    ) -> None:
        """`wal`: that of the file, if this connection is the one that moves it."""
        self.raw = connection
        self._bodies = bodies
        self._tx = SqliteTx(connection, foretold, bodies)
        self.wal = wal
        self.waiting: Callable[[], None] = lambda: None

    def begin(self) -> SqliteTx:
        # Always IMMEDIATE: an upgrade from read to write fails at once whatever the busy timeout.
        self._execute("BEGIN IMMEDIATE")
        return self._tx

    def commit(self) -> None:
        self._bodies.committing()
        self._execute("COMMIT")
        self._bodies.committed()
        if self.wal is not None:
            self.wal.committed()

    def verdict(self) -> bool:
        return False  # a file never leaves a commit in doubt

    def rollback(self) -> None:
        if self.raw.in_transaction:
            self._execute("ROLLBACK")
        self._bodies.rolled_back()

    def savepoint(self) -> None:
        self._execute("SAVEPOINT one")
        self._bodies.saved()

    def release(self) -> None:
        self._execute("RELEASE one")

    def rollback_to(self) -> None:
        self._execute("ROLLBACK TO one")
        self._execute("RELEASE one")
        self._bodies.rolled_back_to()

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
