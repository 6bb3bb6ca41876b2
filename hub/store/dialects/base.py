"""What the store asks of a database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Engine

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Bulk:
    """One statement over many rows. The body reads them as the table `v` with these columns.

    `columns` is "name:type …" with types text, int, bytes.
    """

    columns: str
    body: str

    @property
    def names(self) -> list[str]:
        return [column.split(":")[0] for column in self.columns.split()]


@dataclass(frozen=True, slots=True)
class Many:
    """A question with many rows for an answer. The body follows the list of columns: "FROM … WHERE …".

    `columns` is "name:type …" as in Bulk.
    """

    columns: str
    body: str

    @property
    def names(self) -> list[str]:
        return [column.split(":")[0] for column in self.columns.split()]


class Tx(Protocol):
    """An open write transaction. Parameters are `?`, always bound."""

    #: What a claiming SELECT ends with, so that claimers pass each other by.
    skip_locked: str

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]: ...

    def many(self, question: Many, params: Sequence[Any] = ()) -> list[Row]:
        """As `rows`, where there may be hundreds."""
        ...

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        """The number of rows that it changed."""
        ...

    def bulk(self, statement: Bulk, rows: Sequence[Row]) -> list[Row]:
        """What the statement RETURNs, for all rows together."""
        ...

    def bulk_count(self, statement: Bulk, rows: Sequence[Row]) -> int:
        """How many rows the statement changed. Cheaper than to have it return them."""
        ...


class Connection(Protocol):
    """The writer's connection."""

    def begin(self) -> Tx:
        """Open a write transaction. Raises StoreBusy when another process holds the database."""
        ...

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def savepoint(self) -> None: ...

    def release(self) -> None: ...

    def rollback_to(self) -> None: ...

    def close(self) -> None: ...


class Dialect(Protocol):
    """A kind of database behind a URL."""

    def connect(self) -> Connection:
        """The writer's connection, with settings that make a commit durable."""
        ...

    def engine(self) -> Engine:
        """For reads, and for creating the tables."""
        ...

    #: Whether reads must go through the writer's thread, because the database lives in one connection.
    single_connection: bool

    def change_counter(self) -> int:
        """Moves when another process has committed. Costs microseconds."""
        ...

    def take_seat(self) -> bool:
        """Whether this process may serve the database now. One file has one server; the kernel frees its seat."""
        ...

    def seat_is_free(self) -> bool:
        """Whether `take_seat` would succeed, without taking it."""
        ...

    def close(self) -> None: ...


class StoreBusy(Exception):
    """Nothing was written; the same transaction may work in a moment."""


class StoreBroken(Exception):
    """The database said that storage failed: this process must not go on writing."""
