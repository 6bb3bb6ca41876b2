"""The worker: claims due executions while it has room, runs them, and gives them back when it stops."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from typing import Any

from hub.engine.registry import Registry
from hub.engine.runner import Run, Tools
from hub.engine.scope import branching_task_factory
from hub.engine.surroundings import Surroundings
from hub.engine.waking import Waker
from hub.model.clock import Clock
from hub.model.errors import HubError
from hub.model.execution import Claimed
from hub.store import Store
from hub.store.executions import Claimable, ClaimRequest

log = logging.getLogger(__name__)

#: How long a ring may go unheard: another process may have started something.
_POLL_SECONDS = 1.0
_MOST_THREADS = 4_096


class Worker:
    """Runs executions in one loop of one process."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        surroundings: Surroundings,
        clock: Clock,
        node: str,
        *,
        slots: int = 1_000,
    ) -> None:
        self._store = store
        self._clock = clock
        self._node = node
        self._slots = slots
        self.waker = Waker()
        self._threads = concurrent.futures.ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="hub-job")
        self._tools = Tools(store, registry, surroundings, clock, self._threads)
        self._runs: dict[str, tuple[Run, asyncio.Task[None]]] = {}
        self._next_due: int | None = None
        self._may_claim = True

    @property
    def running(self) -> int:
        """Executions under way in this process."""
        return len(self._runs)

    def replace(self, registry: Registry, surroundings: Surroundings) -> None:
        """From now on, claimed executions run with these."""
        self._tools = Tools(self._store, registry, surroundings, self._clock, self._threads)

    def hold(self, *, may_claim: bool) -> None:
        """Stop or go on claiming: a node that cannot renew its lease starts nothing."""
        self._may_claim = may_claim

    async def run_once(self) -> int:
        """Claim what is due and there is room for, and begin it; how many that were."""
        room = self._slots - len(self._runs)
        self._next_due = None
        if room <= 0 or not self._may_claim:
            return 0
        registry = self._tools.registry
        workflows = tuple(
            Claimable(name, registry.revision(name), _limit(workflow))
            for name, workflow in sorted(registry.workflows.items())
        )
        claimed = await self._store.claim(ClaimRequest(self._node, workflows, room, self._clock.now()))
        for one in claimed:
            self._begin(one)
        if not claimed:
            self._next_due = await self._store.next_due(list(registry.workflows))
        return len(claimed)

    async def serve(self, stop: asyncio.Event) -> None:
        """Claim whenever somebody rings, something comes due, or a second has passed."""
        asyncio.get_running_loop().set_task_factory(branching_task_factory)  # type: ignore[arg-type]  # its stub lacks context
        self.waker.bind()
        while not stop.is_set():
            try:
                claimed = await self.run_once()
            except HubError as error:
                log.warning("claiming failed, trying again: %s", error)
                claimed = 0
            if claimed:
                continue
            await self.waker.wait(self._pause())

    async def drain(self, grace: float) -> int:
        """Let what runs finish for `grace` seconds, then give the rest back; how many were given back."""
        self._may_claim = False
        tasks = [task for _, task in self._runs.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
        left = [run for run, task in self._runs.values() if not task.done()]
        await asyncio.gather(*[run.release() for run in left])
        rest = [task for _, task in self._runs.values()]
        if rest:
            await asyncio.wait(rest, timeout=1)
        self._threads.shutdown(wait=False, cancel_futures=True)
        return len(left)

    def stop_execution(self, execution_id: str) -> None:
        """It was cancelled, or somebody else has it: take it down if it runs here."""
        found = self._runs.get(execution_id)
        if found is not None:
            found[0].stop()

    def executions(self) -> list[str]:
        """The ids of those under way here."""
        return list(self._runs)

    def _begin(self, claimed: Claimed) -> None:
        run = Run(self._tools, claimed, self._tools.registry.workflow(claimed.workflow))
        task = asyncio.Task(run.execute(), loop=asyncio.get_running_loop())
        self._runs[claimed.id] = (run, task)
        task.add_done_callback(lambda done: self._ended(claimed, done))

    def _ended(self, claimed: Claimed, task: asyncio.Task[None]) -> None:
        full = len(self._runs) >= self._slots
        self._runs.pop(claimed.id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("execution %s stopped with a fault of the hub", claimed.id, exc_info=error)
        workflow = self._tools.registry.workflows.get(claimed.workflow)
        if full or (workflow is not None and workflow.concurrency_policy is not None):
            self.waker.ring()

    def _pause(self) -> float:
        if self._next_due is None:
            return _POLL_SECONDS
        return min(max((self._next_due - self._clock.now()) / 1000, 0.001), _POLL_SECONDS)


def _limit(workflow: Any) -> int | None:
    policy = workflow.concurrency_policy
    return None if policy is None else policy.max_concurrent_executions
