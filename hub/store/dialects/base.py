"""What the store asks of a database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from sqlalchemy import Connection as SqlConnection
from sqlalchemy import Engine, MetaData

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Bulk:
    """One statement over many rows. The body reads them as the table `v` with these columns.

    `columns` is "name:type …" with types text, int, bytes. Where the body joins `held`, it means those rows of
    `executions` that `v` names (in `execution_id`, else in `id`), and they stay as they are until the transaction ends.
    """

    columns: str
    body: str

    HELD: ClassVar[str] = " held "
    #: A condition: no other event has filed the body of the row of `v` (`Bodies`).
    FREE_BODY: ClassVar[str] = " free_body "

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


#: An event's id, its source, and the key of its body; None: it may repeat.
BodyClaim = tuple[str, str, str | None]


class Bodies(Protocol):
    """Which event was the first of its source with a body."""

    def claim(self, claims: Sequence[BodyClaim]) -> set[str]:
        """Events, by their ids, that are not to be inserted, since another one was before. Of the others some may be refused by the insert."""
        ...

    def refused(self, claim: BodyClaim) -> None:
        """The insert has refused this event: what was claimed for it is nobody's."""
        ...

    def holders(self, claim: BodyClaim) -> list[str]:
        """Events, by their ids, one of which was before this one, which is not stored. Each may have given up the body, or be gone."""
        ...

    def take(self, claim: BodyClaim) -> None:
        """The body is this event's from now on: its holder is none any more."""
        ...


class Tx(Protocol):
    """An open write transaction. Parameters are `?`, always bound."""

    #: What a claiming SELECT ends with, so that claimers pass each other by.
    skip_locked: str

    @property
    def bodies(self) -> Bodies: ...

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]: ...

    def many(self, question: Many, params: Sequence[Any] = ()) -> list[Row]:
        """As `rows`, and cheaper where there may be hundreds."""
        ...

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Run one statement; how many rows it changed."""
        ...

    def bulk(self, statement: Bulk, rows: Sequence[Row]) -> list[Row]:
        """What the statement RETURNs, for all rows together."""
        ...

    def bulk_count(self, statement: Bulk, rows: Sequence[Row]) -> int:
        """How many rows the statement changed. Cheaper than to have it return them."""
        ...

    def put(self, statement: Bulk, rows: Sequence[Row]) -> None:
        """As `bulk`, where nobody asks what it changed: it may be sent together with a later statement."""
        ...

    def put_new(self, statement: Bulk, rows: Sequence[Row]) -> bool:
        """As `put`, for an insert that fails where a row is not new. False: nothing was put, and each is to be looked at.

        When it fails, `NotNew` is raised by whatever sends it, `commit` at the latest; the same transaction, made again, has no hope.
        """
        ...

    def hold(self, executions: Sequence[str]) -> None:
        """These executions stay as they are until the transaction ends, and what is read of them from now on is the latest.

        Whoever decides by what an execution is holds it first: another node may be changing it.
        """
        ...

    def lock(self, name: str) -> None:
        """Of transactions that lock the same name, one at a time goes on from here to its end."""
        ...

    def try_lock(self, name: str) -> bool:
        """The same without waiting; False: another one has it."""
        ...

    def foretell_cancel(self) -> None:
        """A cancel is among what is about to be committed: `Dialect.foretold` counts it before it is."""
        ...

    def clock(self, now: int) -> int:
        """The time that all nodes share, in milliseconds: the database's own clock where it has one, else `now`."""
        ...


class Connection(Protocol):
    """The writer's connection."""

    def begin(self) -> Tx:
        """Open a write transaction. Raises StoreBusy when another process holds the database."""
        ...

    #: Called a few times a second while the database does not answer.
    waiting: Callable[[], None]

    def commit(self) -> None:
        """Durable when it returns. Raises StoreInDoubt when the answer was lost."""
        ...

    def verdict(self) -> bool:
        """Whether the commit in doubt happened after all. If not, it cannot happen any more. Raises StoreBusy."""
        ...

    def rollback(self) -> None: ...

    def savepoint(self) -> None: ...

    def release(self) -> None: ...

    def rollback_to(self) -> None: ...

    def close(self) -> None: ...


class Watch(Protocol):
    """Hears what other processes commit, and tells them what this one did."""

    def hear(self) -> None:
        """Begin to listen, on a thread of its own, and ring for what comes."""
        ...

    def tell(self, topic: str) -> None:
        """This process has committed something. From any thread; it costs nothing."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """Somebody's transaction that has not ended."""

    #: So long it has been open.
    seconds: float
    #: Whose it is, for people.
    who: str
    #: The statement that ends it.
    ending: str


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

    #: How it is called in messages: its address without a password.
    shown: str

    #: Whether several processes may serve it at once.
    shared: bool

    def schema(self, declared: MetaData) -> MetaData:
        """The tables as they are made here."""
        ...

    def changing_schema(self) -> AbstractContextManager[SqlConnection]:
        """A transaction in which nobody else changes the schema. Raises StoreBusy."""
        ...

    def dangers(self) -> list[str]:
        """Why what was acknowledged could get lost here, in sentences; empty: the ground is safe."""
        ...

    def damage(self) -> list[str]:
        """What the database itself finds broken in its files, in sentences. It reads all of it. Raises StoreBusy."""
        ...

    def oldest_transaction(self) -> OpenTransaction | None:
        """Of those that keep what was deleted from being cleared away, the one that has been open for longest. Raises StoreBusy.

        None: there is none, or here it would do no harm.
        """
        ...

    def watch(self, ring: Callable[[str], None]) -> Watch:
        """`ring(topic)` is called when another process has committed what makes something due; "" stands for any topic."""
        ...

    #: How many cancels were about to be committed so far, in any process that has the database open. Whoever sees it grow
    #: learns behind his own next write transaction what was cancelled. Where nodes are on several machines nobody can foretell
    #: anything, and it stays 0. From any thread; it costs next to nothing.
    foretold: Callable[[], int]

    def take_seat(self) -> bool:
        """Whether this process may serve the database now. One file has one server; the kernel frees its seat."""
        ...

    def seat_is_free(self) -> bool:
        """Whether `take_seat` would succeed, without taking it."""
        ...

    def close(self) -> None: ...


class StoreBusy(Exception):
    """Nothing was written; the same transaction may work in a moment."""


class StoreInDoubt(StoreBusy):
    """The answer to a commit was lost: `verdict` tells what became of it."""


class NotNew(Exception):
    """A row that was `put_new` stands there already. Nothing was written."""


class StoreBroken(Exception):
    """The database said that storage failed: this process must not go on writing."""
