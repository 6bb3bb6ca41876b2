"""The worker: claims due executions while it has room, runs them, and gives them back when it stops."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from collections.abc import Callable
from functools import partial

from hub.engine.budgets import Budgets
from hub.engine.claiming import Claiming
from hub.engine.registry import Registry
from hub.engine.runner import Run
from hub.engine.scope import branch_tasks
from hub.engine.surroundings import Surroundings
from hub.engine.sweeping import Sweeper
from hub.engine.threads import JobThreads
from hub.engine.tools import Tools
from hub.engine.under_way import UnderWay
from hub.engine.waking import Doubt, Gate, Waker
from hub.model.clock import Clock
from hub.model.errors import HubError, StoreUnavailable
from hub.model.execution import Claimed
from hub.store import Store
from hub.store.pages.executions import Along

log = logging.getLogger(__name__)

#: Executions under way in one process, unless it is told otherwise.
MOST_RUNNING = 1_000

#: How many of what a commit makes due are claimed in the same transaction.
_MOST_ALONG = 8

#: How long the end waits for a claim that is under way.
_LAST_CLAIM_SECONDS = 1.0

#: How long a ring may go unheard: another process may have started something.
_POLL_SECONDS = 1.0


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
        slots: int = MOST_RUNNING,
        threads: concurrent.futures.Executor | None = None,
        on_ended: Callable[[str], None] = lambda _execution_id: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._node = node
        self._slots = slots
        self.waker = Waker()
        self._threads = JobThreads() if threads is None else threads
        self._gate = Gate(clock)
        self._awaits_others = threading.Event()
        self._doubt = Doubt(store.foretold)
        self._budgets = Budgets()
        self._tools = self._make_tools(registry, surroundings)
        #: Told of each execution that this worker has let go of, whatever came of it. On the worker's loop.
        self._on_ended = on_ended
        self.runs = UnderWay()
        self._sweeper = Sweeper(store, self.runs, self._doubt)
        self._next_due: int | None = None
        self._may_claim = True
        self._claiming = Claiming(node, clock)
        self._loop: asyncio.AbstractEventLoop | None = None
        #: The lease had run out: until a sweep has shown what others have taken over, nothing begins here.
        self._lapsed = False
        self._opening: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None

    def _make_tools(self, registry: Registry, surroundings: Surroundings) -> Tools:
        return Tools(
            self._store,
            registry,
            surroundings,
            self._clock,
            self._threads,
            self._gate,
            self._awaits_others,
            self._doubt,
            self._budgets,
            self._try_next,
        )

    @property
    def running(self) -> int:
        """Executions under way in this process."""
        return len(self.runs)

    def replace(self, registry: Registry, surroundings: Surroundings) -> None:
        """From now on, claimed executions run with these. What runs keeps its code, and its rights are the new ones.

        From any thread.
        """
        tools = self._make_tools(registry, surroundings)
        if self._loop is None or self._loop.is_closed():
            self._use(tools)
        else:
            # There nothing is claimed at the same moment, and left with the old ones.
            self._loop.call_soon_threadsafe(self._use, tools)
            self.waker.ring()

    def _use(self, tools: Tools) -> None:
        self._tools = tools
        for run in self.runs:
            run.surroundings = tools.surroundings

    def renewed(self, until: float, *, lapsed: bool) -> None:
        """The node's lease holds: until then, in monotonic seconds, it may claim and begin jobs. From any thread.

        `lapsed`: it had run out. What others have taken over meanwhile is taken down before anything new begins.
        """
        self._lapsed = self._lapsed or lapsed
        if not self._lapsed or not self.runs or self._loop is None or self._loop.is_closed():
            self._lapsed = False
            self._gate.open_until(until)
        else:
            self._loop.call_soon_threadsafe(self._begin_opening, until)

    async def run_once(self) -> int:
        """Claim what is due and there is room for, and begin it; how many that were."""
        room = self._slots - len(self.runs)
        self._next_due = None
        if room <= 0 or not self._may_claim or not self._gate.open or not self._claiming.begin():
            return 0
        branch_tasks(asyncio.get_running_loop())
        tools = self._tools  # they may be replaced while this claims
        try:
            if self._claiming.unsure:
                await self._store.let_go(self._node, self.runs.ids)
            request = self._claiming.request(tools.registry, room)
            claimed = await self._store.claim(request)
            for one in claimed:
                self._begin(tools, one)
        finally:
            self._claiming.end()
        if not claimed:
            # Also what has come due since it was asked for.
            self._next_due = await self._store.next_due(list(tools.registry.workflows), request.now)
        return len(claimed)

    def _ask_along(self) -> Along | None:
        """A claim in the transaction that makes something due, while there is room. On the writer's thread."""
        if not self._may_claim or not self._gate.open or self._claiming.unsure or not self._claiming.begin():
            return None
        # Now nobody else takes of it.
        room = min(self._slots - len(self.runs), _MOST_ALONG)
        tools = self._tools
        request = self._claiming.along(tools.registry, room)
        if request is None:
            self._claiming.end()
            return None
        return Along(request, partial(self._claimed_along, tools))

    def _claimed_along(self, tools: Tools, claimed: list[Claimed] | Exception) -> None:
        self._claiming.end()
        if isinstance(claimed, Exception):
            log.warning("claiming failed, trying again: %s", claimed)
            self._claiming.be_unsure()
            claimed = []
        for one in claimed:
            self._begin(tools, one)
        self.waker.ring()

    async def serve(self, stop: asyncio.Event) -> None:
        """Claim whenever somebody rings, something comes due, or a second has passed."""
        self.waker.bind()
        self._loop = asyncio.get_running_loop()
        branch_tasks(self._loop)
        self._store.claim_along(self._ask_along)
        while not stop.is_set():
            try:
                claimed = await self.run_once()
            except HubError as error:
                log.warning("claiming failed, trying again: %s", error)
                self._claiming.be_unsure()
                claimed = 0
            except Exception:
                log.exception("claiming failed by a fault of the hub, trying again")
                claimed = 0
            if claimed:
                continue
            await self.waker.wait(self._pause())

    def hear(self, topic: str) -> None:
        """What the store rings when it has committed. From any thread."""
        if topic in ("executions", "canceled") or (topic == "settled" and self._awaits_others.is_set()):
            self.waker.ring()
        if topic == "canceled":
            self._doubt.rise()  # at once: whoever asked for it has not been answered yet
        loop = self._loop
        if topic == "executions" or loop is None or loop.is_closed() or not self.runs:
            return
        if topic != "settled" or self._awaits_others.is_set():
            self._sweeper.ask_for(loop)

    async def drain(self, grace: float) -> int:
        """Let what runs finish for `grace` seconds, then give the rest back; how many were given back."""
        self._may_claim = False
        self._store.claim_along(None)
        await asyncio.to_thread(self._claiming.close, _LAST_CLAIM_SECONDS)
        if self.runs:
            await asyncio.wait(self.runs.tasks, timeout=grace)
        left = self.runs.unfinished
        await asyncio.gather(*[run.release() for run in left])
        if self.runs:
            await asyncio.wait(self.runs.tasks, timeout=1)
        self._threads.shutdown(wait=False, cancel_futures=True)
        return len(left)

    async def sweep(self) -> int:
        """Take down what was cancelled, or what somebody else has by now; how many executions that were."""
        return await self._sweeper.sweep()

    def _begin_opening(self, until: float) -> None:
        self._opening = asyncio.Task(self._sweep_and_open(until), loop=asyncio.get_running_loop())

    async def _sweep_and_open(self, until: float) -> None:
        try:
            await self.sweep()
        except HubError as error:
            log.warning("nothing begins before the lease is renewed once more: %s", error)
            return
        self._lapsed = False
        self._gate.open_until(until)
        self.waker.ring()

    def _try_next(self) -> None:
        """One of a turn of suspects is beyond suspicion: with the last of them the next turn begins."""
        if self._may_claim and not any(run.suspected for run in self.runs):
            self._asking = asyncio.Task(self._try_next_suspect(), loop=asyncio.get_running_loop())

    async def _try_next_suspect(self) -> None:
        try:
            await self._store.next_suspect()
        except HubError as error:
            log.warning("the next suspect has to wait for its turn: %s", error)

    def _begin(self, tools: Tools, claimed: Claimed) -> None:
        run = Run(tools, claimed, tools.registry.workflow(claimed.workflow))
        task = self.runs.begin(run)
        self._sweeper.begin_in_doubt()
        task.add_done_callback(lambda done: self._ended(run, done))

    def _ended(self, run: Run, task: asyncio.Task[None]) -> None:
        claimed = run.claimed
        full = len(self.runs) >= self._slots
        self.runs.remove(run)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, StoreUnavailable):
            log.warning("execution %s could not be settled and is let go soon: %s", claimed.id, error)
        elif error is not None:
            log.error("execution %s stopped with a fault of the hub", claimed.id, exc_info=error)
        if run.suspected:
            self._try_next()
        if run.cut_off or isinstance(error, StoreUnavailable):
            self._claiming.be_unsure()
        workflow = self._tools.registry.workflows.get(claimed.workflow)
        makes_room = workflow is not None and workflow.concurrency_policy is not None
        # Behind one that an executor started another one of it may be queued.
        if full or run.comes_again or makes_room or claimed.executor is not None:
            self.waker.ring()
        self._on_ended(claimed.id)

    def _pause(self) -> float:
        if self._next_due is None:
            return _POLL_SECONDS
        return min(max((self._next_due - self._clock.now()) / 1000, 0.001), _POLL_SECONDS)
