"""The running hub: intake, schedules, record events, dispatch and workers in one process, started and stopped in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from hub.api.app import Routes, machine_routes
from hub.api.live import Live
from hub.api.metrics import Metrics, metrics_operations
from hub.api.oauth import Tokens
from hub.api.readiness import Readiness
from hub.api.streams import stream_operations
from hub.assembly.definitions import Comparing
from hub.assembly.doors import Doors
from hub.assembly.files import Files
from hub.assembly.jobs_thread import JobsThread
from hub.assembly.kept_results import ResultPruner
from hub.assembly.lingering import Lingering
from hub.assembly.parts import Parts, operator
from hub.assembly.people import console_route
from hub.assembly.planning import Planning, said
from hub.assembly.record_events import RecordEvents
from hub.assembly.reloading import Reloading
from hub.assembly.retention import Pruner
from hub.assembly.revisions import tell_changed
from hub.assembly.sharing import Sharing
from hub.assembly.side_door import OpenedDoor
from hub.assembly.tidying import Tidying
from hub.assembly.tracing import tracing
from hub.assembly.webhooks import trusted_proxies
from hub.engine.worker import Worker
from hub.model.audit import AuditEntry
from hub.model.errors import Conflict, HubError, StoreUnavailable
from hub.store.counting import Counts
from hub.store.outage import ADVICE
from hub.triggers.schedule.loop import Scheduler
from hub.triggers.schedule.ticking import Ticking

log = logging.getLogger(__name__)

#: How long executions may go on after a stop was asked for. The whole stop takes less than 10 s.
_GRACE = 5.0
#: How long a start waits for somebody else's transaction, in seconds.
_STORE_PATIENCE = 10.0
#: How often a start tries to take its seat, and the seconds between two tries.
_SEAT_TRIES, _SEAT_SECONDS = 20, 0.05
#: The writer's thread gives back the interpreter's lock several times a batch; a busy loop would keep it 5 ms each time.
_SWITCH_SECONDS = 0.0002


class Serving:
    """One hub that serves. `start()`, then `stop()`."""

    def __init__(
        self,
        parts: Parts,
        *,
        host: str | None = None,
        port: int | None = None,
        reload_code: bool = False,
        side_door: OpenedDoor | None = None,
    ) -> None:
        """`reload_code`: changed files in workflows/ take effect too, as those in executors/ and config/ always do."""
        self._parts = parts
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._live, self._counts = Live(), Counts(parts.clock)
        parts.store.watch(self._live)
        parts.store.watch(self._counts)
        self._spans = tracing(os.environ)
        if self._spans is not None:
            parts.store.watch(self._spans)
        self._records = RecordEvents(parts)
        self._worker, self._lease = parts.worker()
        self._jobs = JobsThread(self._worker)
        self._ticking: Ticking | None = None
        self._scheduler: Scheduler | None = None
        self._reload_code = reload_code
        self._doors = Doors(parts, host, port, side_door)
        #: Set when something failed that only a restart can mend.
        self.failed: BaseException | None = None

    @property
    def worker(self) -> Worker:
        return self._worker

    @property
    def address(self) -> str:
        """Where it listens: `http://127.0.0.1:8700`."""
        return self._doors.address

    async def start(self) -> int:
        """Answering when it returns. How many executions of an earlier process go on.

        Raises Conflict when another process serves this store or the address is taken, or StoreUnavailable.
        """
        sys.setswitchinterval(_SWITCH_SECONDS)
        parts = self._parts
        await self._take_seat()
        parts.client.check_keys()
        await self._doors.bind()
        self._lease.about = replace(self._lease.about, address=self.address)
        rescued = await self._take_lease()
        parts.evaluator.start()
        self._begin_loops()
        self._jobs.start()
        parts.store.listen_to_others(self._others_did)
        await self._start_schedules()
        await self._records.begin()
        for loop in self._records.loops(self._stop):
            self._begin(loop)
        await self._note_applied()
        self._begin(Reloading(parts.files, parts.clock, self._take, code=self._reload_code).serve(self._stop))
        console = console_route(parts, self.troubles, self._live, lambda: self._counts.latest)
        await self._doors.open([console, *self._machine_routes()])
        return rescued

    def _begin_loops(self) -> None:
        """What goes on beside triggers and jobs for as long as the hub serves."""
        parts, stop = self._parts, self._stop
        self._begin(parts.dispatcher.serve(stop))
        self._begin(self._lease.serve(stop))
        self._begin(tell_changed(parts, stop))
        if parts.store.shared:
            self._begin(Sharing(parts.store, parts.clock, parts.node, parts.dispatcher).serve(stop))
            self._begin(Comparing(parts.store, parts.clock, lambda: parts.about.revision).serve(stop))
            self._begin(Lingering(parts.store).serve(stop))
        results = ResultPruner(parts.store, parts.surroundings.databases, parts.clock, parts.config.retention)
        self._begin(Tidying(lambda: self._worker.running).serve(stop))
        self._begin(Pruner(parts.store, parts.clock, parts.config.retention, results).serve(stop))

    def _machine_routes(self) -> Routes:
        parts = self._parts
        tokens = Tokens(parts.client, trusted_proxies(parts.config))
        metrics = Metrics(parts.store, parts.clock, self._counts, self._live, self.troubles)
        return machine_routes(
            parts.client,
            tokens.verify,
            Readiness(parts.store, self.troubles, parts.clock),
            url=parts.reached.here,
            further=(
                *stream_operations(self._live),
                *metrics_operations(metrics, public=parts.config.server.metrics == "public"),
                tokens.operation(),
            ),
        )

    async def _take_seat(self) -> None:
        for _ in range(_SEAT_TRIES):
            if self._parts.store.take_seat():
                return
            # A command that waits may just be looking whether the seat is free, and a busy machine may keep it at that.
            await self._parts.clock.sleep(_SEAT_SECONDS)
        raise Conflict("another hub serves this store already: stop it first, or give this project its own store.")

    async def _take_lease(self) -> int:
        """How many executions of an earlier process go on. Raises StoreUnavailable."""
        try:
            async with asyncio.timeout(_STORE_PATIENCE):
                return await self._lease.take()
        except TimeoutError:
            raise StoreUnavailable(
                f"the store could not be written for {_STORE_PATIENCE:g} s. {ADVICE}; then start again."
            ) from None

    async def run(self, asked: asyncio.Event) -> None:
        """Until somebody asks for the end, or a part fails."""
        waiting = asyncio.create_task(asked.wait())
        broken = self._parts.broken
        watched: list[asyncio.Future[Any]] = [waiting, broken, *self._tasks]
        await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        for task in self._tasks:
            if task.done() and not task.cancelled():
                self.failed = task.exception()
        if broken.done():
            # A flush that failed is never tried again: what the disk holds is known only after a new start.
            self.failed = StoreUnavailable(f"storage failed: {broken.result()}")

    async def stop(self) -> int:
        """No new work, let what runs finish or give it back; how many executions were given back."""
        # Beside the rest: each has its own limit, and the whole has one too.
        self._live.close()
        closing = asyncio.create_task(self._doors.close())
        if self._ticking is not None:
            await self._ticking.stop()
        self._stop.set()
        given_back = await self._jobs.stop(_GRACE)
        await closing
        self._parts.dispatcher.waker.ring()
        done, late = await asyncio.wait(self._tasks, timeout=2) if self._tasks else (set(), set())
        for task in late:
            task.cancel()
        for task in done | late:
            with contextlib.suppress(asyncio.CancelledError, HubError):
                await task
        await self._records.close()
        if self._spans is not None:
            await asyncio.to_thread(self._spans.close)
        return given_back

    def troubles(self) -> list[str]:
        """Sentences about what does not work now; empty when all is well."""
        found = self._records.troubles()
        if (trouble := self._parts.store.trouble) is not None:
            found.append(trouble)
        if not self._jobs.alive:
            found.append("the loop of jobs has ended.")
        found += [f"a background loop has ended: {task.get_coro()}" for task in self._tasks if task.done()]
        return found

    async def _note_applied(self) -> None:
        """Record which executors are in effect, and who changed that: whoever runs this process."""
        parts = self._parts
        plan = await Planning(lambda: parts.files, parts.store, parts.clock).executors()
        if plan.changes:
            entry = AuditEntry(parts.clock.now(), operator().label, "executor:apply", "executors")
            await parts.store.apply_executors(plan.put, plan.gone, entry, said(plan))

    async def _take(self, files: Files) -> None:
        """Put changed files into effect, everywhere where they are used."""
        parts = self._parts
        parts.replace(files)
        await self._doors.replace(files)
        self._worker.replace(files.registry, parts.surroundings)
        self._lease.about = replace(self._lease.about, revision=parts.about.revision)
        self._records.replace(files)
        if self._scheduler is not None:
            await self._scheduler.sync_definitions()
        await self._note_applied()
        parts.dispatcher.waker.ring()

    async def _start_schedules(self) -> None:
        scheduler = self._scheduler = Scheduler(
            self._parts.store,
            self._parts.clock,
            lambda: self._parts.files.executors,
            self._parts.dispatcher.waker.ring,
            may_fire=lambda: not self._lease.off,
        )
        await scheduler.sync_definitions()
        self._ticking = Ticking(scheduler, self._parts.clock, machine=self._parts.clock.own)
        self._ticking.start()

    def _others_did(self, topic: str) -> None:
        """Another process has written: a command line that started, cancelled or resumed something, or another node."""
        self._live.ring()
        # A node dispatches what it has stored; what a dead one has left, the others find when they look round.
        if topic == "" or (topic == "events" and not self._parts.store.shared):
            self._parts.dispatcher.waker.ring()
        if topic in ("", "executions"):
            self._worker.waker.ring()
        if topic not in ("events", "executions"):
            self._jobs.sweep()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))
