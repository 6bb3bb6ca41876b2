"""One database for all hosts, and the writer of each: every batch is a scheduling point, and may be the host's last."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Hashable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Protocol

from simulated_loop import Host, SimulatedLoop

from hub.model.clock import Clock
from hub.model.errors import StoreUnavailable
from hub.store import Store
from hub.store.committing import Committer, Operation
from hub.store.dialects.sqlite import SqliteDialect
from hub.store.opening import prepare
from hub.store.store import _Bells
from hub.store.suspects import DEATHS
from hub.store.writer import NOTHING, Guest

#: What happens to one batch.
FINE, DIE_BEFORE, DIE_AFTER, FREEZE_BEFORE, FREEZE_AFTER, REFUSED, LOST_REPLY = (
    "fine",
    "die before",
    "die after",
    "freeze before",
    "freeze after",
    "refused",
    "lost reply",
)


@dataclass(frozen=True, slots=True)
class Fate:
    what: str = FINE
    #: Seconds until the batch is committed, until its callers hear of it, and for which the host stands still.
    before: float = 0.0
    after: float = 0.0
    frozen: float = 0.0


class Fates(Protocol):
    """Decides what happens to each batch. The same questions in the same order have the same answers."""

    def of(self, host: Host, verbs: Sequence[str]) -> Fate: ...


class Database:
    """SQLite in memory, with the hub's own tables and verbs."""

    dialect: Any
    connection: Any
    #: For the auditor's triggers; None where it can have none.
    raw: sqlite3.Connection | None

    def __init__(self) -> None:
        self.dialect = SqliteDialect(None)
        self.connection = self.dialect.connect()
        prepare(self.dialect)
        self.raw = self.connection.raw
        self._tables = [
            name
            for (name,) in self.raw.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            if name != "meta"
        ]

    def empty(self) -> None:
        assert self.raw is not None
        for table in self._tables:
            self.raw.execute(f"DELETE FROM {table}")
        self.raw.execute("DELETE FROM meta WHERE key = ?", (DEATHS,))

    def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        assert self.raw is not None
        return self.raw.execute(sql, params).fetchall()

    def serve(self, *, single: bool) -> None:
        """Whether one process serves it, which knows that, or several."""
        self.dialect.shared = not single

    def changes(self) -> int:
        """Goes up with what is committed."""
        assert self.raw is not None
        return self.raw.total_changes


class Journal:
    """What happened, in order. Two runs of one seed have the same."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop
        self.entries: list[tuple[float, str, str]] = []

    def note(self, who: str, what: str) -> None:
        self.entries.append((round(self._loop.time(), 6), who, what))


class SimulatedWriter:
    """What a `ThreadWriter` does, without a thread: one batch after the other, each a transaction."""

    def __init__(
        self, database: Database, loop: SimulatedLoop, host: Host, fates: Fates, journal: Journal, audit: Audited
    ) -> None:
        self.bells = _Bells(database.dialect)
        self.committer = Committer(database.connection, bell=self.bells.ring)
        self.on_death: Callable[[], None] = lambda: None
        self._database = database
        self._loop = loop
        self._host = host
        self._fates = fates
        self._journal = journal
        self._audit = audit
        self._queue: list[tuple[Operation, asyncio.Future[Any]]] = []
        self._riders: dict[tuple[Any, Hashable], Any] = {}
        self._busy = False
        self._guest: Guest | None = None

    # --- what the store asks for

    def submit(
        self,
        verb: Any,
        item: Any,
        *,
        timeout: float | None = None,  # noqa: ARG002 - nobody gives up here
    ) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._loop.create_future()
        self._queue.append((Operation(verb, item), future))
        self._wake()
        return future

    def ride(self, verb: Any, key: Hashable, item: Any) -> None:
        self._riders[verb, key] = item
        if not self._busy:
            self._busy = True
            self._loop.call_later(0.02, self._begin, context=self._host.context.copy())

    def forget(self, verb: Any, key: Hashable) -> None:
        self._riders.pop((verb, key), None)

    def invite(self, guest: Guest | None) -> None:
        self._guest = guest

    async def flush(self) -> None:
        """Reads see what is committed, and take their time."""
        await asyncio.sleep(0.001)

    async def close(self) -> None:
        await self.submit(NOTHING, None)

    # --- inside

    def _wake(self) -> None:
        if not self._busy:
            self._busy = True
            # At the end of this turn, as the real one does.
            self._loop.call_soon(self._begin, context=self._host.context.copy())

    def _begin(self) -> None:
        queue, self._queue = self._queue, []
        batch = [Operation(verb, item) for (verb, _), item in self._riders.items()]
        self._riders = {}
        batch += [operation for operation, _ in queue]
        if not batch:
            self._busy = False
            return
        asked = self._asked(batch)
        queue += asked
        batch += [operation for operation, _ in asked]
        verbs = [operation.verb.name for operation in batch]
        fate = self._fates.of(self._host, verbs)
        futures = [future for _, future in queue]
        self._loop.call_later(fate.before, self._commit, fate, batch, futures, context=self._host.context.copy())

    def _asked(self, batch: list[Operation]) -> list[tuple[Operation, asyncio.Future[Any]]]:
        """What the guest has to do in the same transaction."""
        errand = None if self._guest is None else self._guest([operation.verb for operation in batch])
        if errand is None:
            return []
        future: asyncio.Future[Any] = self._loop.create_future()
        future.add_done_callback(
            lambda done: errand.done(done.exception() or done.result()), context=self._host.context.copy()
        )
        return [(Operation(errand.verb, errand.item), future)]

    def _commit(self, fate: Fate, batch: list[Operation], futures: list[asyncio.Future[Any]]) -> None:
        verbs = "+".join(operation.verb.name for operation in batch)
        if fate.what == DIE_BEFORE:
            self._die(f"before {verbs}")
            return
        if fate.what == FREEZE_BEFORE:
            self._freeze(fate.frozen, f"before {verbs}")
            again = Fate(before=0.0, after=fate.after)
            self._loop.call_soon(self._commit, again, batch, futures, context=self._host.context.copy())
            return
        if fate.what == REFUSED:
            self._journal.note(self._host.name, f"refused {verbs}")
            self._answer(fate, batch, futures, refused=True)
            return
        self.apply(batch)
        self._journal.note(self._host.name, verbs)
        if fate.what == DIE_AFTER:
            self._die(f"after {verbs}")
            return
        if fate.what == FREEZE_AFTER:
            self._freeze(fate.frozen, f"after {verbs}")
        self._loop.call_later(
            fate.after,
            self._answer,
            fate,
            batch,
            futures,
            fate.what == LOST_REPLY,
            context=self._host.context.copy(),
        )

    def apply(self, batch: list[Operation]) -> None:
        """Make it durable. Mutants step in here."""
        self._audit.before()
        try:
            self.committer.commit(batch)
        except Exception as error:  # the one caller gets it
            batch[-1].result = error
        self._audit.after(batch)

    def _answer(
        self, fate: Fate, batch: list[Operation], futures: list[asyncio.Future[Any]], refused: bool = False
    ) -> None:
        waited_for = batch[len(batch) - len(futures) :]
        for operation, future in zip(waited_for, futures, strict=True):
            if future.done():
                continue
            result = StoreUnavailable(f"the store is away ({fate.what})") if refused else operation.result
            if isinstance(result, Exception):
                future.set_exception(result)
                future.exception()
            else:
                future.set_result(result)
        self._busy = False
        if self._queue:
            self._wake()
        elif self._riders:
            self._busy = True
            self._loop.call_later(0.02, self._begin, context=self._host.context.copy())

    def _die(self, where: str) -> None:
        self._journal.note(self._host.name, f"dies {where}")
        self._host.die()
        self.on_death()

    def _freeze(self, seconds: float, where: str) -> None:
        self._journal.note(self._host.name, f"freezes {where}")
        self._host.frozen = True
        self._loop.call_later(seconds, self._thaw, context=nobody())

    def _thaw(self) -> None:
        if self._host.alive:
            self._journal.note(self._host.name, "goes on")
            self._host.thaw(self._loop)


class Audited(Protocol):
    """Looks on at every commit."""

    def before(self) -> None: ...

    def after(self, batch: Sequence[Operation]) -> None: ...


def nobody() -> Context:
    """The context of nobody's host."""
    return Context()


def open_simulated_store(database: Database, writer: SimulatedWriter, clock: Clock) -> Store:
    return Store(database.dialect, writer, clock, writer.bells, writer.committer.witnesses)
