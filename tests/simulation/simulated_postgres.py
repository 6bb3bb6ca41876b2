"""A PostgreSQL server as the database of a simulation: the verbs as they run there, one transaction after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
from simulated_store import Database
from sqlmodel import SQLModel

from hub.store.dialects.postgres import PostgresDialect
from hub.store.opening import prepare
from hub.store.suspects import DEATHS


class NothingHeard:
    """Nodes of a simulation look for what the others did; no thread tells them."""

    def hear(self) -> None: ...

    def tell(self, topic: str) -> None: ...

    def close(self) -> None: ...


class InlinePostgres(PostgresDialect):
    """Reads on the caller's thread: nothing in a simulation has another one."""

    single_connection = True

    def watch(self, ring: Callable[[str], None]) -> NothingHeard:  # type: ignore[override]  # noqa: ARG002 - nobody rings
        return NothingHeard()


class PostgresDatabase(Database):
    """The auditor has no triggers here; what the world itself finds is the same."""

    raw = None

    def __init__(self, url: str) -> None:
        self.dialect = InlinePostgres(url)
        prepare(self.dialect)
        self.connection = self.dialect.connect()
        self._asking = psycopg.connect(url, autocommit=True)
        self._tables = ", ".join(table for table in SQLModel.metadata.tables if table != "meta")

    def empty(self) -> None:
        self._asking.execute(f"TRUNCATE {self._tables}")  # type: ignore[arg-type]  # names of our own
        self._asking.execute("DELETE FROM meta WHERE key = %s", (DEATHS,))

    def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        text = sql.replace("%", "%%").replace("?", "%s")
        return self._asking.execute(text, params).fetchall()  # type: ignore[arg-type]

    def serve(self, *, single: bool) -> None:
        """Whoever serves it never knows that he is alone."""

    def changes(self) -> int:
        return int(self.rows("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")[0][0])

    def close(self) -> None:
        self.connection.close()
        self._asking.close()
        self.dialect.close()
