"""Databases that jobs work with: `ctx.database("shop")`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, text

from hub.store.dialects.choosing import READS, user_engine


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
        with self._open().connect().execution_options(**{READS: True}) as connection:
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
            self._engine = user_engine(self._url)
        return self._engine
