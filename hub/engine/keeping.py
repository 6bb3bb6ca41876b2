"""A store with a worker in the caller's own loop: begun at the first use, ended with the loop or before."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import Context as Variables

from hub.engine.lease import Lease
from hub.engine.registry import Registry
from hub.engine.surroundings import Surroundings
from hub.engine.worker import Worker
from hub.model.clock import SharedClock, new_id
from hub.model.errors import StoreUnavailable
from hub.store import Store

log = logging.getLogger(__name__)

#: How long executions may go on after the end was asked for.
_GRACE = 5.0
#: How soon it is seen that another process has ended an execution, or has let go of the store.
_LOOK_SECONDS = 0.25


class Keeping:
    """Keeps executions going in the loop that uses it. One process at a time does the work; others wait for its end."""

    def __init__(
        self, open_store: Callable[[], Store], registry: Registry, surroundings: Surroundings, clock: SharedClock
    ) -> None:
        self._open_store = open_store
        self._registry = registry
        self._surroundings = surroundings
        self._clock = clock
        self._store: Store | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._keep_open = False
        #: Those who wait for executions, by id.
        self._watched: dict[str, list[asyncio.Event]] = {}

    def store(self, *, keep_open: bool) -> Store:
        """Open, and worked on in the running loop. `keep_open`: it outlives this loop, for the next one.

        Raises StoreUnavailable.
        """
        loop = asyncio.get_running_loop()
        if self._store is not None and self._loop is loop and self._task is not None and not self._task.done():
            return self._store
        if self._task is not None and self._loop is not loop and self._loop is not None and self._loop.is_running():
            raise StoreUnavailable("this client is used in another running loop: make one for each loop.")
        if self._store is None:
            self._store = self._open_store()
        self._loop, self._stop, self._keep_open = loop, asyncio.Event(), keep_open
        self._watched = {}
        # In a context of its own: the first caller's variables are no concern of the worker's.
        self._task = asyncio.Task(self._serve(self._store), loop=loop, context=Variables())
        return self._store

    @contextlib.asynccontextmanager
    async def watching(self, execution_id: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Gives a function that waits until the execution may have changed."""
        event = asyncio.Event()
        self._watched.setdefault(execution_id, []).append(event)

        async def changed() -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await event.wait()
            event.clear()

        try:
            yield changed
        finally:
            events = self._watched[execution_id]
            events.remove(event)
            if not events:
                del self._watched[execution_id]

    async def close(self) -> None:
        """Give back what runs, and close the store."""
        self._keep_open = False
        self._stop.set()
        if self._task is not None and self._loop is asyncio.get_running_loop():
            await asyncio.wait([self._task])
            if not self._task.cancelled() and (error := self._task.exception()) is not None:
                log.warning("the work ended before the client: %s", error)
        if self._store is not None:
            await self._let_go()

    async def _serve(self, store: Store) -> None:
        try:
            while not store.take_seat():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self._stop.wait()
                        return
            await self._work(store)
        finally:
            if not self._keep_open and self._store is store:
                await self._let_go()

    async def _work(self, store: Store) -> None:
        node = new_id(self._clock.now())
        worker = Worker(store, self._registry, self._surroundings, self._clock, node, on_ended=self._tell)

        def hear(topic: str) -> None:
            worker.hear(topic)
            if topic == "canceled" and self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._tell_all)

        def hear_others(topic: str) -> None:
            if topic in ("", "executions"):
                worker.hear("executions")
            if topic != "executions":
                worker.hear("answers")

        store.listen(hear)
        store.listen_to_others(hear_others)
        lease = Lease(store, self._clock, node, worker, shared=self._clock)
        await lease.take()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(lease.serve(self._stop))
                group.create_task(worker.serve(self._stop))
                await self._stop.wait()
                worker.waker.ring()
        finally:
            await worker.drain(_GRACE if self._stop.is_set() else 0)

    async def _let_go(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            await store.close()

    def _tell(self, execution_id: str) -> None:
        for event in self._watched.get(execution_id, ()):
            event.set()

    def _tell_all(self) -> None:
        for execution_id in self._watched:
            self._tell(execution_id)
