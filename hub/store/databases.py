"""Databases that jobs work with: `ctx.database("shop")`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from hub.model.errors import Conflict, StoreUnavailable
from hub.store import results
from hub.store.dialects.choosing import READS, user_engine
from hub.store.results import JobResult

#: What a job gives.
Value = TypeVar("Value")

#: Raises Refused unless whoever uses the database may still read it (False), or write to it (True).
Check = Callable[[bool], None]


def _anything(_write: bool) -> None:
    """No limits: whoever holds the database may read and write."""


class Transaction:
    """Statements that happen together or not at all."""

    def __init__(self, connection: Connection, job: JobResult | None = None) -> None:
        self._connection = connection
        self._job = job
        #: The job's result, handed over to be committed with the statements.
        self.handed_over: str | None = None

    def rows(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        """The rows of a SELECT with `:name` parameters, each as a dict."""
        return [dict(row) for row in self._connection.execute(text(sql), params).mappings()]

    def run(self, sql: str, **params: Any) -> int:
        """Run one statement; how many rows it changed."""
        return self._connection.execute(text(sql), params).rowcount

    def run_many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run one statement for each row of parameters; how many rows they changed."""
        return self._connection.execute(text(sql), [dict(row) for row in rows]).rowcount if rows else 0

    def result(self, value: Value) -> Value:
        """Commit the job's result together with the statements, and have it back: `return tx.result(receipt)`.

        From the commit on this is what the job gave, whatever happens to it afterwards; when it runs again it ends where
        it would open the transaction. Raises NotJson or InvalidArguments for a value that cannot be stored, and
        Conflict outside a job or for a second result.
        """
        if self._job is None:
            raise Conflict("a result belongs to a job: take the database from its context, `ctx.database(…)`.")
        if self.handed_over is not None:
            raise Conflict(f"the call {self._job.path} has handed over a result in this transaction already.")
        rebuilt: Value
        dumped, rebuilt = self._job.dump(value)
        results.keep(self._connection, self._job, dumped)
        self.handed_over = dumped
        return rebuilt


class Database:
    """A database of config/hub.yaml. Its calls block: use them in plain jobs, or in a thread."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self._url = url
        self._engine: Engine | None = None

    def rows(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        """The rows of a SELECT with `:name` parameters, each as a dict. It takes no write lock."""
        with self.engine().connect().execution_options(**{READS: True}) as connection:
            return Transaction(connection).rows(sql, **params)

    def run(self, sql: str, **params: Any) -> int:
        """Run one statement in a transaction of its own; how many rows it changed."""
        with self.transaction() as transaction:
            return transaction.run(sql, **params)

    def run_many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run one statement for each row of parameters, in one transaction; how many rows they changed."""
        with self.transaction() as transaction:
            return transaction.run_many(sql, rows)

    def transaction(self) -> Block:
        """A transaction, committed at the end, rolled back when an exception leaves it: `with`, or `async with`.

        In a job it can hand over the job's result (`Transaction.result`), and then a crash leaves both or neither.
        """
        return Block(self.engine(), None)

    def of_job(self, job: JobResult, check: Check = _anything) -> Database:
        """The same database as one call sees it. It is closed with this one. `check` is asked before each use."""
        return _OfJob(self, job, check)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def engine(self) -> Engine:
        """SQLAlchemy's, opened at the first use."""
        if self._engine is None:
            self._engine = user_engine(self._url)
        return self._engine

    # --- results of jobs that are kept here. Each raises StoreUnavailable when the database cannot be used now.

    @property
    def in_use(self) -> bool:
        """Whether anything was asked of it in this process."""
        return self._engine is not None

    def executions_with_results(self, before: str, after: str = "", limit: int = 500) -> Sequence[str]:
        """Ids of executions with results here, between the two, in order."""
        with self._told(), self.engine().connect().execution_options(**{READS: True}) as connection:
            return results.executions_before(connection, before, after, limit)

    def forget_results(self, executions: Sequence[str]) -> int:
        """Delete the results of executions; how many there were."""
        with self._told(), self.engine().begin() as connection:
            return results.forget(connection, executions)

    def drop_results(self) -> bool:
        """Remove the hub's table of results; whether it was there."""
        with self._told(), self.engine().begin() as connection:
            return results.drop(connection)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise StoreUnavailable(f"database {self.name}: {error.orig}") from error


class _OfJob(Database):
    """A database in the hands of one call."""

    def __init__(self, whole: Database, job: JobResult, check: Check) -> None:
        super().__init__(whole.name, "")
        self._whole = whole
        self._job = job
        self._check = check

    def rows(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        self._check(False)
        return super().rows(sql, **params)

    def transaction(self) -> Block:
        self._check(True)
        return Block(self.engine(), self._job)

    def engine(self) -> Engine:
        return self._whole.engine()


class Block:
    """The extent of a transaction. In an async job, `async with`: waiting for the database then holds nobody up."""

    def __init__(self, engine: Engine, job: JobResult | None) -> None:
        self._inside: AbstractContextManager[Transaction] = _transaction(engine, job)
        #: Growing with need: who waits for a lock must not keep its holder from a thread.
        self._threads = None if job is None else job.threads

    def __enter__(self) -> Transaction:
        return self._inside.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._inside.__exit__(kind, error, trace)

    async def __aenter__(self) -> Transaction:
        opening = asyncio.get_running_loop().run_in_executor(self._threads, self._inside.__enter__)
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError as cancelled:
            await asyncio.wait([opening])
            if opening.exception() is None:
                await self.__aexit__(type(cancelled), cancelled, None)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Whoever is cancelled meanwhile waits for the end all the same: then it is known whether it was committed."""
        ending = asyncio.get_running_loop().run_in_executor(self._threads, self._inside.__exit__, kind, error, trace)
        try:
            return await asyncio.shield(ending)
        finally:
            if not ending.done():
                await asyncio.wait([ending])


@contextmanager
def _transaction(engine: Engine, job: JobResult | None) -> Iterator[Transaction]:
    with engine.begin() as connection:
        if job is not None:
            results.look_up(connection, job)
        transaction = Transaction(connection, job)
        yield transaction
    if job is not None and transaction.handed_over is not None:
        job.committed = transaction.handed_over
