"""The store as one page of domain verbs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy.exc import DatabaseError, OperationalError
from sqlmodel import Session

from hub.model.clock import Clock, new_id
from hub.model.errors import StoreUnavailable
from hub.model.event import Delivery, Event, NewEvent, StoredEvent
from hub.model.execution import Claimed, ExecutionRecord, LogLine, Settled, Started, StartRequest, Status
from hub.model.schedule import Slot, StoredSchedule
from hub.model.wait import Resolution, Signal, WaitAnswer, WaitRecord, WaitRequest, WaitState
from hub.store import reading
from hub.store.checkpoints import BEGIN, CHECKPOINT, HANDLED, LOG, MARK, CallWrite, Handled, LogWrite
from hub.store.combined import FINISH, START_NESTED, Finish, NestedStart
from hub.store.committing import Committer
from hub.store.dialects.base import Dialect, StoreBroken, StoreBusy
from hub.store.dialects.choosing import dialect_for
from hub.store.events import DISPATCH, REPLAY, STORE_EVENT, UNDISPATCHED, Arrival, Dispatched, arrival, event_of
from hub.store.executions import CANCEL, CLAIM, RESCUE, RESUME, SETTLE, START, ClaimRequest, Move, Rescue
from hub.store.executors import OFFER_TOKEN, PAUSE, Pause, TokenOffer
from hub.store.nodes import ALONE, BEAT, LEAVE, Farewell, Heartbeat
from hub.store.opening import prepare
from hub.store.pruning import PRUNE, Prune, Pruned
from hub.store.refused import DROP_REFUSED, KEEP_REFUSED, RefusedDelivery, refused, refused_one
from hub.store.schedules import PUT_SCHEDULES, RECORD_SLOTS, PutSchedules, RecordSlots
from hub.store.verbs import Bell, Probe, no_probe
from hub.store.waits import PARK, RESOLVE, SIGNAL, WAIT, Park
from hub.store.writer import InlineWriter, ThreadWriter, Writer

P = ParamSpec("P")
R = TypeVar("R")

_READERS = 4


class Store:
    """What the hub remembers. Made by `open_store`."""

    def __init__(self, dialect: Dialect, writer: Writer, clock: Clock, bells: list[Bell]) -> None:
        self._dialect = dialect
        self._writer = writer
        self._clock = clock
        self._bells = bells
        self._engine = dialect.engine()
        self._readers: ThreadPoolExecutor | None = None
        if not dialect.single_connection:
            self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="hub-reader")

    def listen(self, bell: Bell) -> None:
        """Call `bell(topic)` after each commit that made something due. It is called on the writer's thread."""
        self._bells.append(bell)

    def change_counter(self) -> int:
        """Moves when another process has committed."""
        return self._dialect.change_counter()

    def take_seat(self) -> bool:
        """Whether this process may serve the store now. Where only one may, it holds the seat until it ends."""
        return self._dialect.take_seat()

    def seat_is_free(self) -> bool:
        """Whether nobody serves the store at this moment."""
        return self._dialect.seat_is_free()

    async def flush(self) -> None:
        """Durable when it returns: also marks and logs, for which nobody waited."""
        await self._writer.flush()

    async def close(self) -> None:
        """Commit what is queued, then let go of the database."""
        await self._writer.close()
        if self._readers is not None:
            self._readers.shutdown()
        self._dialect.close()

    # --- events and deliveries

    async def store_event(
        self,
        event: NewEvent,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the writer gives up, so that nothing is written afterwards
    ) -> StoredEvent:
        """Make the event durable. Raises StoreUnavailable when that took longer than `timeout` seconds."""
        return await self._writer.submit(STORE_EVENT, arrival(event, self._clock.now()), timeout=timeout)

    def submit_event(self, event: NewEvent, timeout: float) -> asyncio.Future[StoredEvent]:
        """The same, as a future, for callers who do not wait in a coroutine."""
        return self._writer.submit(STORE_EVENT, arrival(event, self._clock.now()), timeout=timeout)

    async def store_events(self, events: Sequence[NewEvent]) -> list[StoredEvent]:
        """Make them all durable; they share a transaction when they fit one. Their ids are in the order in which they are given."""
        now = self._clock.now()
        # Within a millisecond ids are in no order of their own, and people read events by them.
        ids = sorted(new_id(now) for _ in events)
        arrivals = [Arrival(name, event, now) for name, event in zip(ids, events, strict=True)]
        return list(await asyncio.gather(*[self._writer.submit(STORE_EVENT, one) for one in arrivals]))

    async def dispatch(self, dispatched: Dispatched) -> bool:
        """Record what became of an event, and start what it starts. False: somebody else had done it."""
        return await self._writer.submit(DISPATCH, dispatched)

    async def replay(self, dispatched: Dispatched) -> list[Delivery]:
        """Record further deliveries of an event, and start what they start."""
        return await self._writer.submit(REPLAY, dispatched)

    async def new_events(self, after: str = "", limit: int = 500) -> list[Event]:
        """Events that dispatch has not seen, oldest first, behind the id `after`."""
        return await self._read(reading.new_events, after, limit)

    async def undispatched(self, limit: int = 500) -> tuple[list[Event], set[str]]:
        """Events that dispatch has not seen, oldest first; and the executors that are paused, if there are any events."""
        rows, paused = await self._writer.submit(UNDISPATCHED, limit)
        return [event_of(row) for row in rows], paused

    async def event(self, event_id: str) -> Event | None:
        return await self._read(reading.event, event_id)

    async def events(
        self,
        *,
        executor: str | None = None,
        outcome: str | None = None,
        since: int | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> list[Event]:
        """Newest first."""
        return await self._read(
            reading.events, executor=executor, outcome=outcome, since=since, limit=limit, before=before
        )

    async def deliveries(
        self, *, event_ids: Sequence[str] | None = None, executor: str | None = None, limit: int = 1000
    ) -> list[Delivery]:
        return await self._read(reading.deliveries, event_ids=event_ids, executor=executor, limit=limit)

    async def delivery(self, delivery_id: str) -> Delivery | None:
        return await self._read(reading.delivery, delivery_id)

    # --- executions

    async def start(self, request: StartRequest) -> Started:
        """Make it an execution. The same idempotency key again answers with the first one."""
        return await self._writer.submit(START, request)

    async def claim(self, request: ClaimRequest) -> list[Claimed]:
        """Lease due executions to a node, each with a new epoch and with what it has already done."""
        return await self._writer.submit(CLAIM, request)

    async def settle(self, settled: Settled) -> Status:
        """Let go of an execution. Raises Fenced when the claim is over."""
        return await self._writer.submit(SETTLE, settled)

    async def finish(self, main: CallWrite | None, settled: Settled) -> Status:
        """Let go of an execution and store how its main job ended, in one. Raises Fenced when the claim is over."""
        if main is not None:
            self._writer.forget(MARK, (main.execution_id, main.checkpoint.path))
        return await self._writer.submit(FINISH, Finish(main, settled))

    async def start_nested(self, request: StartRequest, call: CallWrite) -> Started:
        """A running execution's call starts another one. Raises Fenced when the claim is over."""
        return await self._writer.submit(START_NESTED, NestedStart(request, call))

    async def cancel(self, execution_id: str) -> Status:
        """After this commits, its holder can write nothing. Raises NotFound, or Conflict when it has ended."""
        return await self._writer.submit(CANCEL, Move(execution_id, self._clock.now()))

    async def resume(self, execution_id: str) -> Status:
        """Let a failed one go on under its id. Raises NotFound, or Conflict when it has not failed."""
        return await self._writer.submit(RESUME, Move(execution_id, self._clock.now()))

    async def rescue(self, dead: Sequence[str] = ()) -> int:
        """Make what dead nodes held claimable again; how many executions that were."""
        return await self._writer.submit(RESCUE, Rescue(self._clock.now(), tuple(dead)))

    async def execution(self, execution_id: str) -> ExecutionRecord | None:
        """With its jobs."""
        return await self._read(reading.execution, execution_id)

    async def executions(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        executor: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> list[ExecutionRecord]:
        """Newest first, without their jobs."""
        return await self._read(
            reading.executions, workflow=workflow, status=status, executor=executor, before=before, limit=limit
        )

    async def status_of(self, execution_id: str) -> Status | None:
        return await self._read(reading.status_of, execution_id)

    async def lost(self, claims: Sequence[tuple[str, int]]) -> list[str]:
        """Which of these executions are not held under this epoch any more: cancelled, or taken over."""
        return await self._read(reading.lost, claims)

    async def count_by_status(self) -> dict[str, int]:
        return await self._read(reading.count_by_status)

    async def next_due(self, workflows: Sequence[str]) -> int | None:
        """When the next of these workflows' executions comes due that is not due yet."""
        return await self._read(reading.next_due, workflows, self._clock.now())

    # --- checkpoints and logs

    async def checkpoint(self, write: CallWrite) -> None:
        """Store what a call gave. Raises Fenced when the claim is over."""
        self._writer.forget(MARK, (write.execution_id, write.checkpoint.path))
        await self._writer.submit(CHECKPOINT, write)

    async def begin(self, write: CallWrite) -> None:
        """Count a try durably before it begins. Raises Fenced when the claim is over."""
        await self._writer.submit(BEGIN, write)

    def mark(self, write: CallWrite) -> None:
        """Show that a call is under way. Nobody waits for it."""
        self._writer.ride(MARK, (write.execution_id, write.checkpoint.path), write)

    def handled(self, handled: Handled) -> None:
        """Show that a call's error was caught by its caller. Nobody waits for it."""
        self._writer.ride(HANDLED, (handled.execution_id, handled.path), handled)

    def log(self, write: LogWrite) -> None:
        """Keep a line that a job wrote. Nobody waits for it."""
        self._writer.ride(LOG, id(write), write)

    async def logs(self, execution_id: str, after: int = 0, limit: int = 1000) -> list[tuple[int, LogLine]]:
        """Lines behind number `after`, each with its number."""
        return await self._read(reading.logs, execution_id, after, limit)

    # --- waits

    async def wait(self, request: WaitRequest) -> WaitAnswer:
        """Open a wait, or see how it stands. Raises Fenced when the claim is over."""
        return await self._writer.submit(WAIT, request)

    async def park(self, park: Park) -> bool:
        """Let go of an execution until one of its waits ends; False: one has ended already. Raises Fenced."""
        return await self._writer.submit(PARK, park)

    async def resolve_wait(self, resolution: Resolution) -> WaitState:
        """Answer a wait point, once; WAITING: nobody has asked yet, the answer is kept. Raises NotFound or Conflict."""
        return await self._writer.submit(RESOLVE, resolution)

    async def signal(self, signal: Signal) -> int:
        """Send a signal; how many waiters it reached at once. The same id again does nothing."""
        return await self._writer.submit(SIGNAL, signal)

    async def waits(
        self, *, execution_id: str | None = None, kind: str | None = None, open_only: bool = False, limit: int = 1000
    ) -> list[WaitRecord]:
        """What executions wait for, the newest first."""
        return await self._read(reading.waits, execution_id=execution_id, kind=kind, open_only=open_only, limit=limit)

    # --- schedules

    async def schedules(self) -> list[StoredSchedule]:
        return await self._read(reading.schedules)

    async def due_schedules(self, now: int, limit: int) -> list[StoredSchedule]:
        return await self._read(reading.schedules, now, limit)

    async def put_schedules(self, rows: Sequence[StoredSchedule], gone: Sequence[str]) -> None:
        await self._writer.submit(PUT_SCHEDULES, PutSchedules(tuple(rows), tuple(gone)))

    async def record_slots(self, executor: str, slots: Sequence[Slot], next_fire_at: int | None, expected: int) -> int:
        """Each slot once, its event in the same transaction; how many were new."""
        return await self._writer.submit(
            RECORD_SLOTS, RecordSlots(executor, tuple(slots), next_fire_at, expected, self._clock.now())
        )

    async def slots(self, executor: str, limit: int = 50) -> list[Any]:
        return await self._read(reading.slots, executor, limit)

    # --- retention

    async def prune(self, prune: Prune) -> Pruned:
        """Forget some of what is older than its retention, and say where to go on."""
        return await self._writer.submit(PRUNE, prune)

    # --- nodes

    async def beat(self, node: str, host: str, pid: int, lease_ms: int) -> None:
        """Renew a node's lease."""
        now = self._clock.now()
        await self._writer.submit(BEAT, Heartbeat(node, host, pid, now, now + lease_ms))

    async def leave(self, node: str) -> None:
        await self._writer.submit(LEAVE, Farewell(node))

    async def alone(self, node: str) -> int:
        """Forget every other node. Only for a process that knows that it is the only one."""
        return await self._writer.submit(ALONE, Farewell(node))

    async def nodes(self) -> list[Any]:
        return await self._read(reading.nodes)

    # --- refused webhooks

    def keep_refused(self, refused: RefusedDelivery) -> None:
        """Keep a delivery that was turned away, until newer ones take its place. Nobody waits for it."""
        self._writer.ride(KEEP_REFUSED, id(refused), refused)

    async def refused(self, executor: str | None = None, limit: int = 50) -> list[RefusedDelivery]:
        """Newest first; of one executor, or of all."""
        return await self._read(refused, executor, limit)

    async def refused_one(self, identifier: int) -> RefusedDelivery | None:
        return await self._read(refused_one, identifier)

    async def drop_refused(self, identifier: int) -> None:
        """It is not refused any more."""
        await self._writer.submit(DROP_REFUSED, identifier)

    # --- executors

    async def offer_token(self, executor: str, token: str) -> str:
        """The token in the executor's URL: the one that it has, else this one."""
        return await self._writer.submit(OFFER_TOKEN, TokenOffer(executor, token))

    async def webhook_tokens(self) -> dict[str, str]:
        return await self._read(reading.webhook_tokens)

    async def pause(self, executor: str, *, paused: bool) -> None:
        await self._writer.submit(PAUSE, Pause(executor, paused))

    async def paused_executors(self) -> set[str]:
        return await self._read(reading.paused_executors)

    async def _read(self, question: Callable[Concatenate[Session, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        def ask() -> R:
            with Session(self._engine) as session:
                return question(session, *args, **kwargs)

        try:
            if self._readers is None:
                await self._writer.flush()
                return ask()
            return await asyncio.get_running_loop().run_in_executor(self._readers, ask)
        except DatabaseError as error:
            if not isinstance(error, OperationalError) and type(error) is not DatabaseError:
                raise  # a fault of ours; the two are a database that is locked, gone or damaged
            raise StoreUnavailable(f"the store cannot be read now: {error.orig}") from error


def open_store(
    url: str,
    clock: Clock,
    *,
    inline: bool = False,
    checkpoints: bool = True,
    probe: Probe = no_probe,
    on_broken: Callable[[Exception], None] = lambda _error: None,
) -> Store:
    """Open the database behind `url`, creating what is missing.

    `inline` writes on the caller's thread; a store in memory always does. `checkpoints` is for the one process that
    serves. Raises BadInput, or StoreUnavailable when the database cannot be used.
    """
    dialect = dialect_for(url, checkpoints=checkpoints)
    try:
        connection = dialect.connect()
    except (StoreBusy, StoreBroken) as error:
        raise StoreUnavailable(f"{url} cannot be opened: {error}") from error
    try:
        prepare(dialect.engine())
    except BaseException:
        connection.close()
        dialect.close()
        raise
    bells: list[Bell] = []

    def ring(topic: str) -> None:
        for bell in bells:
            bell(topic)

    committer = Committer(connection, probe=probe, bell=ring)
    writer: Writer
    if inline or dialect.single_connection:
        writer = InlineWriter(committer)
    else:
        writer = ThreadWriter(committer, clock, on_broken=on_broken)
    return Store(dialect, writer, clock, bells)
