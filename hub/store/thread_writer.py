"""The writer of a hub that serves: a thread commits what its callers have queued up."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any

from hub.model.clock import Clock
from hub.model.errors import StoreUnavailable
from hub.store.committing import Committer, Operation
from hub.store.dialects.base import StoreBroken, StoreBusy
from hub.store.outage import ADVICE, Outage
from hub.store.signal import Signal
from hub.store.verbs import Verb
from hub.store.writer import NOTHING, Guest, R, T, settle

log = logging.getLogger(__name__)

_MOST_IN_A_BATCH = 2_000
_MOST_QUEUED = 50_000
#: With so many the thread begins at once, while the loop's turn makes more.
_WORTH_A_BATCH = 32
#: With no more than so many the guest is asked: with more, whoever waits for them is not kept waiting for him as well.
_FEW = 8
_AGAIN_AFTER = 0.05
#: Another process may hold a SQLite file for so many seconds before the log has a line about it.
_USUAL = 2.0
_RIDE_AFTER = 0.02
_UNKNOWN = (
    "the store does not answer: what was to be written may have been, or be written yet. Look before you try again."
)


class ThreadWriter:
    """Commits on a thread of its own, so that a slow disk never stops the loop."""

    def __init__(self, committer: Committer, clock: Clock, *, on_broken: Callable[[Exception], None]) -> None:
        self._committer = committer
        self._clock = clock
        self._outage = Outage(clock, "written", "it is tried again and again", patience=_USUAL)
        self._on_broken = on_broken
        self.patience: float | None = None
        self._queue: deque[Operation] = deque()
        self._riders: dict[tuple[Verb[Any, Any], Hashable], Any] = {}
        self._riders_due = False
        #: Loops that will wake the thread at the end of their turn.
        self._announced: set[asyncio.AbstractEventLoop] = set()
        self._lock = threading.Lock()
        self._signal = Signal()
        self._closing = False
        #: The thread takes nothing more.
        self._ended = False
        self._guest: tuple[Guest, asyncio.AbstractEventLoop] | None = None
        #: What is on its way to the database.
        self._pending: list[Operation] = []
        committer.connection.waiting = self._while_waiting
        self._thread = threading.Thread(target=self._run, name="hub-writer", daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """Operations that wait."""
        return len(self._queue)

    @property
    def outage(self) -> float | None:
        return self._outage.told

    def submit(self, verb: Verb[T, R], item: T, *, timeout: float | None = None) -> asyncio.Future[R]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._put(verb, item, _Caller(partial(settle, future), loop), self.patience if timeout is None else timeout)
        return future

    def hand_in(
        self, verb: Verb[T, R], item: T, done: Callable[[R | Exception], None], *, timeout: float | None = None
    ) -> None:
        self._put(verb, item, _Caller(done, asyncio.get_running_loop()), timeout)

    def _put(self, verb: Verb[Any, Any], item: Any, caller: _Caller, timeout: float | None) -> None:
        loop = caller.loop
        deadline = None if timeout is None else self._clock.monotonic() + timeout
        operation = Operation(verb, item, caller, deadline)
        with self._lock:
            refused = self._closing or self._ended or (timeout is not None and len(self._queue) >= _MOST_QUEUED)
            if not refused:
                self._queue.append(operation)
        if refused:
            loop.call_soon(caller, StoreUnavailable("the store takes nothing more at this moment."))
        elif len(self._queue) == _WORTH_A_BATCH:
            self._signal.set()
        elif loop not in self._announced and not self._signal.is_set():
            # At the end of this turn of the loop: what else it submits in the same turn goes into the same batch.
            self._announced.add(loop)
            loop.call_soon(self._announce, loop)

    def _announce(self, loop: asyncio.AbstractEventLoop) -> None:
        self._announced.discard(loop)
        self._signal.set()

    def ride(self, verb: Verb[T, Any], key: Hashable, item: T) -> None:
        with self._lock:
            self._riders[verb, key] = item
            first, self._riders_due = not self._riders_due, True
        if first:
            try:
                asyncio.get_running_loop().call_later(_RIDE_AFTER, self._signal.set)
            except RuntimeError:  # a plain job's thread has no loop
                self._signal.set()

    def forget(self, verb: Verb[T, Any], key: Hashable) -> None:
        with self._lock:
            self._riders.pop((verb, key), None)

    def invite(self, guest: Guest | None) -> None:
        self._guest = None if guest is None else (guest, asyncio.get_running_loop())

    async def flush(self) -> None:
        await self.submit(NOTHING, None)

    async def close(self) -> None:
        with self._lock:
            self._closing = True
        self._signal.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            self._commit_all()
        finally:
            with self._lock:
                self._ended = True
            self._refuse(self._take(len(self._queue)), StoreUnavailable("the store is closed."))
            self._committer.connection.close()

    def _commit_all(self) -> None:
        pending: list[Operation] = []
        while True:
            if not pending and not self._queue and not self._closing:
                self._signal.wait()
            self._signal.clear()
            pending += self._take(_MOST_IN_A_BATCH - len(pending))
            pending += self._asked(pending)
            if not pending:
                if self._closing:
                    return
                continue
            self._pending = pending
            try:
                self._committer.commit(pending)
            except StoreBusy as error:
                self._outage.refused(f"the store cannot be written now: {error}")
                pending = self._expire(pending, error)
                if self._closing:
                    self._refuse(pending, StoreUnavailable(f"the store is busy: {error}"))
                    return
                self._signal.wait(_AGAIN_AFTER)
                continue
            except StoreBroken as error:
                self._refuse(pending, StoreUnavailable(f"storage failed: {error}"))
                self._on_broken(error)
                return
            except Exception as error:  # noqa: BLE001 - the one caller gets it
                self._refuse(pending, error)
            else:
                self._outage.answered()
                _deliver(pending)
            pending = []

    def _asked(self, pending: Sequence[Operation]) -> list[Operation]:
        """What the guest has to do beside these."""
        if self._guest is None or not 0 < len(pending) <= _FEW:
            return []
        guest, loop = self._guest
        errand = guest([operation.verb for operation in pending])
        return [] if errand is None else [Operation(errand.verb, errand.item, _Caller(errand.done, loop))]

    def _take(self, most: int) -> list[Operation]:
        with self._lock:
            self._riders_due = False
            riders, self._riders = self._riders, {}
        taken = [Operation(verb, item) for (verb, _), item in riders.items()]
        queue = self._queue  # only this thread puts another one in its place
        for _ in range(min(most, len(queue))):
            taken.append(queue.popleft())  # noqa: PERF401 - other threads append meanwhile
        return taken

    def _expire(self, pending: list[Operation], error: Exception) -> list[Operation]:
        """Answer those whose time is up; nothing of theirs was written."""
        pending += self._take(_MOST_QUEUED)
        now = self._clock.monotonic()
        late = [operation for operation in pending if operation.deadline is not None and operation.deadline <= now]
        self._refuse(
            late, StoreUnavailable(f"the store could not be written in time: {error}. {ADVICE}; then try again.")
        )
        gone = set(map(id, late))
        return [operation for operation in pending if id(operation) not in gone]

    def _while_waiting(self) -> None:
        """The database does not answer. Those whose time is up are told; of what is on its way nobody knows."""
        with self._lock:
            operations = [*self._pending, *self._queue]
            now = self._clock.monotonic()
            late = [
                one for one in operations if one.deadline is not None and one.done is not None and one.deadline <= now
            ]
            if not late:
                return
            gone = set(map(id, late))
            self._queue = deque(one for one in self._queue if id(one) not in gone)
        told = [Operation(one.verb, one.item, one.done, one.deadline) for one in late]
        for one in late:
            one.done = None
        self._refuse(told, StoreUnavailable(_UNKNOWN))

    @staticmethod
    def _refuse(operations: Sequence[Operation], error: Exception) -> None:
        for operation in operations:
            operation.result = error
        _deliver(operations)


class _Caller:
    """Whoever waits for a result, and the loop that he lives in."""

    __slots__ = ("_done", "loop")

    def __init__(self, done: Callable[[Any], None], loop: asyncio.AbstractEventLoop) -> None:
        self._done = done
        self.loop = loop

    def __call__(self, result: Any) -> None:
        self._done(result)


def _deliver(operations: Sequence[Operation]) -> None:
    """Wake the callers: one call into each loop, however many wait in it."""
    loops: dict[asyncio.AbstractEventLoop, list[Operation]] = {}
    for operation in operations:
        if isinstance(operation.done, _Caller):
            loops.setdefault(operation.done.loop, []).append(operation)
    for loop, waiting in loops.items():
        try:
            loop.call_soon_threadsafe(_wake, waiting)
        except RuntimeError:
            log.debug("a loop closed before %d of its writes came back", len(waiting))


def _wake(operations: Sequence[Operation]) -> None:
    for operation in operations:
        if operation.done is not None:
            try:
                operation.done(operation.result)
            except Exception:
                log.exception("a caller could not take the result of %s", operation.verb.name)
