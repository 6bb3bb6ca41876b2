"""The store: every page of verbs together, on one database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from hub.model.clock import Clock
from hub.model.errors import StoreUnavailable
from hub.store.committing import Committer
from hub.store.dialects.base import Dialect, OpenTransaction, StoreBroken, StoreBusy
from hub.store.dialects.choosing import dialect_for
from hub.store.inline_writer import InlineWriter
from hub.store.opening import check_ground, prepare
from hub.store.outage import ADVICE
from hub.store.pages.audit import AuditPage
from hub.store.pages.books import BooksPage
from hub.store.pages.calls import CallsPage
from hub.store.pages.events import EventsPage
from hub.store.pages.executions import ExecutionsPage
from hub.store.pages.executors import ExecutorsPage
from hub.store.pages.identity import IdentityPage
from hub.store.pages.listing import ListingPage
from hub.store.pages.overview import OverviewPage
from hub.store.pages.revisions import RevisionsPage
from hub.store.pages.schedules import SchedulesPage
from hub.store.pages.upkeep import UpkeepPage
from hub.store.pages.waits import WaitsPage
from hub.store.pages.webhooks import WebhooksPage
from hub.store.thread_writer import ThreadWriter
from hub.store.verbs import Bell, Probe, no_probe
from hub.store.witness import Witness
from hub.store.writer import Writer

_READERS = 4


class Store(
    EventsPage,
    ExecutionsPage,
    RevisionsPage,
    CallsPage,
    WaitsPage,
    SchedulesPage,
    ExecutorsPage,
    WebhooksPage,
    AuditPage,
    BooksPage,
    UpkeepPage,
    ListingPage,
    OverviewPage,
    IdentityPage,
):
    """What the hub remembers. Made by `open_store`."""

    def __init__(self, dialect: Dialect, writer: Writer, clock: Clock, bells: _Bells, witnesses: list[Witness]) -> None:
        readers = None if dialect.single_connection else ThreadPoolExecutor(_READERS, thread_name_prefix="hub-reader")
        super().__init__(writer, dialect.engine(), readers, clock, shared=dialect.shared)
        self._dialect = dialect
        self._bells = bells
        self._witnesses = witnesses

    @property
    def trouble(self) -> str | None:
        """That nothing can be written now, in a sentence that anybody may read; None: all is well."""
        seconds = self._writer.outage
        if seconds is None:
            return None
        return f"nothing could be written to the store for {seconds:.0f} s. {ADVICE}; the log of the hub says more."

    @contextmanager
    def untiring(self) -> Iterator[None]:
        """Meanwhile whoever gives no timeout waits until it can be written, as where a hub serves."""
        patience, self._writer.patience = self._writer.patience, None
        try:
            yield
        finally:
            self._writer.patience = patience

    def listen(self, bell: Bell) -> None:
        """Call `bell(topic)` after each commit that made something due. It is called on the writer's thread."""
        self._bells.own.append(bell)

    def watch(self, witness: Witness) -> None:
        """Tell `witness` of each commit of this process. It is called on the writer's thread."""
        self._witnesses.append(witness)

    def listen_to_others(self, bell: Bell) -> None:
        """Call `bell(topic)` after other processes' commits, too; "" stands for any topic. On a thread of its own."""
        self._bells.others.append(bell)
        self._bells.watch.hear()

    @property
    def foretold(self) -> Callable[[], int]:
        """How many cancels were about to be committed so far: see `Dialect`."""
        return self._dialect.foretold

    def take_seat(self) -> bool:
        """Whether this process may serve the store now. Where only one may, it holds the seat until it ends."""
        return self._dialect.take_seat()

    def seat_is_free(self) -> bool:
        """Whether nobody serves the store at this moment."""
        return self._dialect.seat_is_free()

    async def damage(self) -> list[str]:
        """What is broken in the database itself, in sentences; it is read as a whole. Raises StoreUnavailable."""
        try:
            if self._dialect.single_connection:
                return self._dialect.damage()
            return await asyncio.to_thread(self._dialect.damage)
        except StoreBusy as error:
            raise StoreUnavailable(f"{self._dialect.shown} cannot be read: {error}") from error

    async def oldest_transaction(self) -> OpenTransaction | None:
        """Whose transaction keeps most of what was deleted from being cleared away, if anybody's. Raises StoreUnavailable."""
        try:
            return await asyncio.to_thread(self._dialect.oldest_transaction)
        except StoreBusy as error:
            raise StoreUnavailable(f"{self._dialect.shown} cannot be read: {error}") from error

    async def flush(self) -> None:
        """Durable when it returns: also marks and logs, for which nobody waited."""
        await self._writer.flush()

    async def close(self) -> None:
        """Commit what is queued, then let go of the database."""
        await self._writer.close()
        await asyncio.to_thread(self._bells.watch.close)
        if self._readers is not None:
            self._readers.shutdown()
        self._dialect.close()


class _Bells:
    """Publishes what was committed, by topic: to listeners in this process, and to those that listen for other processes."""

    def __init__(self, dialect: Dialect) -> None:
        self.own: list[Bell] = []
        self.others: list[Bell] = []
        self.watch = dialect.watch(self._others_did)

    def ring(self, topic: str) -> None:
        """This process has committed something."""
        self.watch.tell(topic)
        for bell in self.own:
            bell(topic)

    def _others_did(self, topic: str) -> None:
        for bell in self.others:
            bell(topic)


def open_store(
    url: str,
    clock: Clock,
    *,
    inline: bool = False,
    checkpoints: bool = True,
    allow_unsafe: bool = False,
    patience: float | None = None,
    probe: Probe = no_probe,
    on_broken: Callable[[Exception], None] = lambda _error: None,
) -> Store:
    """Open the database behind `url`, creating what is missing.

    `inline` writes on the caller's thread; a store in memory always does. `checkpoints` is for the one process that
    serves. `allow_unsafe`: also where acknowledged commits can get lost. `patience`: seconds until what cannot
    be written is refused; None: it is tried until it can be. Raises BadInput, or StoreUnavailable when the database cannot be used.
    """
    try:
        dialect = dialect_for(url, checkpoints=checkpoints)
    except OSError as error:
        raise _untouchable(error) from error
    try:
        check_ground(dialect, allow_unsafe=allow_unsafe)
        connection = dialect.connect()
    except (StoreBusy, StoreBroken) as error:
        dialect.close()
        raise StoreUnavailable(f"{dialect.shown} cannot be opened: {error}") from error
    except OSError as error:
        dialect.close()
        raise _untouchable(error) from error
    except BaseException:
        dialect.close()
        raise
    try:
        prepare(dialect)
    except BaseException:
        connection.close()
        dialect.close()
        raise
    bells = _Bells(dialect)
    committer = Committer(connection, probe=probe, bell=bells.ring)
    writer: Writer
    if inline or dialect.single_connection:
        writer = InlineWriter(committer)
    else:
        writer = ThreadWriter(committer, clock, on_broken=on_broken)
    writer.patience = patience
    return Store(dialect, writer, clock, bells, committer.witnesses)


def _untouchable(error: OSError) -> StoreUnavailable:
    """Only of a file."""
    return StoreUnavailable(
        f"{error.filename} cannot be used: {error.strerror}. Whoever runs the hub has to be able to write the store's file, "
        "and in its folder."
    )
