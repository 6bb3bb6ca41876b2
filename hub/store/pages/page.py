"""What every page of the store has: the way to the writer, the way to the readers, and the time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlmodel import Session

from hub.model.audit import AuditEntry
from hub.model.clock import Clock
from hub.model.errors import StoreUnavailable
from hub.store.audit import Audited, Look, audited
from hub.store.outage import Outage
from hub.store.verbs import Verb
from hub.store.writer import Writer

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class _OutOfReach(Exception):
    """The database could not be reached for a question that was asked before this one: nobody tries again for this one."""


class Page:
    """Verbs go to the writer, questions to the readers."""

    def __init__(
        self, writer: Writer, engine: Engine, readers: ThreadPoolExecutor | None, clock: Clock, *, shared: bool
    ) -> None:
        self._writer = writer
        self._engine = engine
        #: None: the database lives in the writer's one connection.
        self._readers = readers
        self._clock = clock
        #: Whether several processes may serve it at once.
        self.shared = shared
        #: When a question was asked, in monotonic seconds, for which the database could not be reached.
        self._out_of_reach = float("-inf")
        self._outage = Outage(clock, "read", "whoever asks is told to come again")

    async def _change(
        self,
        verb: Verb[T, R],
        item: T,
        entry: AuditEntry | None,
        look: Look | None = None,
        told: Callable[[R], str | None] | None = None,
    ) -> R:
        """Make something durable, with the record of who did it when there is an entry for that.

        `look` says what the thing is, before and after; `told` reads that from the answer.
        """
        if entry is None:
            return await self._writer.submit(verb, item)
        made = await self._writer.submit(audited(verb), Audited(item, entry, look, told))
        entry.recorded = True
        if made.error is not None:
            raise made.error
        return made.value  # type: ignore[return-value]  # it is there when there is no error

    async def _read(self, question: Callable[Concatenate[Session, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        asked = self._clock.monotonic()

        def ask() -> R:
            return self._answered(asked, lambda session: question(session, *args, **kwargs))

        try:
            if self._readers is None:
                await self._writer.flush()
                found = ask()
            else:
                found = await asyncio.get_running_loop().run_in_executor(self._readers, ask)
        except _OutOfReach as error:
            raise self._unread(StoreUnavailable("the store cannot be reached now.")) from error
        except DatabaseError as error:
            if not isinstance(error, OperationalError) and type(error) is not DatabaseError:
                raise  # a fault of ours; the two are a database that is locked, gone or damaged
            why = " ".join(str(error.orig).split())
            raise self._unread(StoreUnavailable(f"the store cannot be read now: {why}")) from error
        self._outage.answered()
        return found

    def _unread(self, error: StoreUnavailable) -> StoreUnavailable:
        self._outage.refused(error)
        error.said = True
        return error

    def _answered(self, asked: float, question: Callable[[Session], R], *, again: bool = False) -> R:
        """On a reader's thread, which takes one question after the other."""
        if self._out_of_reach > asked:
            # Whoever has waited behind a try that failed is told so now: when the database is back, it is not to find them all
            # before those who have just come.
            raise _OutOfReach
        begun = self._clock.monotonic()
        try:
            with Session(self._engine) as session:
                return question(session)
        except DBAPIError as error:
            if error.connection_invalidated and not again:
                # It had been lost before; with it went the others in the pool.
                return self._answered(asked, question, again=True)
            if error.connection_invalidated or error.statement is None:  # without one, it was to be connected
                self._out_of_reach = begun
            raise
