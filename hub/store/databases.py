"""Databases that jobs work with: `ctx.database("shop")`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text


class Database:
    """A database of config/hub.yaml. Its calls block: use them in plain jobs, or in a thread."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self._url = url
        self._engine: Engine | None = None

    def rows(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        """The rows of a SELECT with `:name` parameters, each as a dict."""
        with self._open().connect() as connection:
            return [dict(row) for row in connection.execute(text(sql), params).mappings()]

    def run(self, sql: str, **params: Any) -> int:
        """Run one statement in a transaction of its own; how many rows it changed."""
        with self.transaction() as connection:
            return connection.execute(text(sql), params).rowcount

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction, committed at the end, rolled back when an exception leaves it."""
        with self._open().begin() as connection:
            yield connection

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _open(self) -> Engine:
        if self._engine is None:
            self._engine = create_engine(self._url)
            if self._engine.dialect.name == "sqlite":
                _begin_immediate(self._engine)
        return self._engine


def _begin_immediate(engine: Engine) -> None:
    """Take SQLite's write lock when a transaction begins: an upgrade in the middle fails at once."""

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA busy_timeout=5000")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
