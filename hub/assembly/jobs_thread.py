"""The loop of jobs: a thread of its own, so that a job that blocks never keeps a webhook waiting."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading

from hub.api.server import new_loop
from hub.engine.worker import Worker

log = logging.getLogger(__name__)


def settle_in() -> None:
    """What start-up made stays: the collector need not look at it again and again.

    Thousands of executions under way are many young objects that all die soon; with Python's own thresholds a fifth of
    the time went into looking for cycles among them. The old ones are looked at all the same: frozen ones are not among
    them, and what is left of executions must not pile up.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 5, 5)


class JobsThread:
    """Runs a worker in a loop of its own."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()
        self._grace = 0.0
        self.given_back = 0
        self._thread = threading.Thread(target=self._run, name="hub-jobs", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    async def stop(self, grace: float) -> int:
        """Let executions finish for `grace` seconds, give back the rest; how many were given back."""
        self._grace = grace
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._worker.waker.ring()
        await asyncio.to_thread(self._thread.join, grace + 3.0)
        return self.given_back

    def sweep(self) -> None:
        """Take down what was cancelled or taken over. From any thread."""
        if self._loop is not None and not self._loop.is_closed() and self._worker.running:
            asyncio.run_coroutine_threadsafe(self._worker.sweep(), self._loop)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        await self._worker.serve(self._stop)
        self.given_back = await self._worker.drain(self._grace)
