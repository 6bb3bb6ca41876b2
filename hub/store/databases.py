"""Databases that jobs work with: `ctx.database("shop")`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text

#: Execution option of a connection that only reads.
_READS = "hub_reads"


class Transaction:
    """Statements that happen together or not at all."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        """The rows of a SELECT with `:name` parameters, each as a dict."""
        return [dict(row) for row in self._connection.execute(text(sql), params).mappings()]

    def run(self, sql: str, **params: Any) -> int:
        """Run one statement; how many rows it changed."""
        return self._connection.execute(text(sql), params).rowcount

    def run_many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run one statement for each row of parameters; how many rows they changed."""
        return self._connection.execute(text(sql), [dict(row) for row in rows]).rowcount if rows else 0


class Database:
    """A database of config/hub.yaml. Its calls block: use them in plain jobs, or in a thread."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self._url = url
        self._engine: Engine | None = None

    def rows(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        """The rows of a SELECT with `:name` parameters, each as a dict. It takes no write lock."""
        with self._open().connect().execution_options(**{_READS: True}) as connection:
            return Transaction(connection).rows(sql, **params)

    def run(self, sql: str, **params: Any) -> int:
        """Run one statement in a transaction of its own; how many rows it changed."""
        with self.transaction() as transaction:
            return transaction.run(sql, **params)

    def run_many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run one statement for each row of parameters, in one transaction; how many rows they changed."""
        with self.transaction() as transaction:
            return transaction.run_many(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction, committed at the end, rolled back when an exception leaves it."""
        with self._open().begin() as connection:
            yield Transaction(connection)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _open(self) -> Engine:
        if self._engine is None:
            self._engine = create_engine(self._url)
            if self._engine.dialect.name == "sqlite":
                _begin_as_meant(self._engine)
        return self._engine


def _begin_as_meant(engine: Engine) -> None:
    """Take SQLite's write lock when a writing transaction begins: an upgrade in the middle fails at once."""

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA busy_timeout=5000")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        reads = connection.get_execution_options().get(_READS, False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
