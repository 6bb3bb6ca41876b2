"""Replay of a stored history with the code as it is now: does it still make the same calls? Nothing is executed."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Coroutine
from typing import Any, cast

from hub.engine.authoring import Workflow
from hub.engine.launching import Launcher
from hub.engine.registry import Registry
from hub.engine.runner import Run, Tools
from hub.engine.scope import Call, Scope, Unwind
from hub.engine.surroundings import Surroundings
from hub.engine.threads import JobThreads
from hub.engine.triggered import Triggered
from hub.engine.waking import Gate
from hub.model.clock import Clock, SystemClock
from hub.model.errors import Conflict
from hub.model.execution import Checkpoint, Claimed, JobStatus, Settled, Status
from hub.model.values import canonical
from hub.store import Store
from hub.store.checkpoints import CallWrite
from hub.testing.history import History

_LONGEST = 5.0
#: Calls that leave nothing in the history: they are made again, under a name that the store knows.
_UNSTORED = ("resolve:", "send:")


class HistoryDiffers(Conflict):
    """The code does not do any more what the history says that it did."""


async def replay(history: History, workflow: Workflow[Any, Any], *, surroundings: Surroundings | None = None) -> None:
    """Run the workflow's code over a history. Finished calls give their stored results; no other job is run.

    The main job's own code does run, and that of jobs that were under way with calls of their own. Raises
    ArgumentHashMismatch when a call is made with other arguments, HistoryDiffers when a call is new or missing, or the
    end is another one.
    """
    clock, threads, notes = SystemClock(), JobThreads(), _Notes()
    registry = Registry([workflow])
    tools = Tools(cast("Store", notes), registry, surroundings or Surroundings(), clock, threads, Gate())
    run = _DryRun(tools, history, workflow)
    task = asyncio.Task(run.execute(), loop=asyncio.get_running_loop())
    try:
        await _to_its_end(run, task, clock)
    finally:
        run.stop()
        run.dry.let_go()
        await asyncio.wait([task])
        threads.shutdown()
    task.result()
    _compare(history, run, notes)


async def _to_its_end(run: _DryRun, task: asyncio.Task[None], clock: Clock) -> None:
    """Until it has ended, or every job is blocked on what had not ended then."""
    until = clock.monotonic() + _LONGEST
    while not task.done():
        if run.dry.new or (run.root is not None and run.root.idle()):
            return
        if clock.monotonic() > until:
            raise HistoryDiffers(f"the replay of {run.claimed.id} did not come to an end within {_LONGEST:g} s.")
        await asyncio.sleep(0)


def _compare(history: History, run: _DryRun, notes: _Notes) -> None:
    settled, error = notes.settled, notes.settled.error if notes.settled is not None else None
    if run.fatal is not None:
        raise run.fatal
    if run.dry.new:
        raise HistoryDiffers(
            f"execution {history.execution_id} never made the call {run.dry.new[0]} which the code makes now. Start new "
            "executions for changed code, or leave the old calls as they are."
        )
    gone = [call.path for call in history.calls if run.is_missed(call)]
    if gone:
        raise HistoryDiffers(
            f"execution {history.execution_id} made the call {gone[0]} which the code does not make any more."
        )
    if history.status is Status.SUCCESS:
        given = None if settled is None or settled.status is not Status.SUCCESS else settled.result
        if given != canonical(history.result):
            raise HistoryDiffers(
                f"execution {history.execution_id} returned {canonical(history.result)} and would now "
                f"{'fail: ' + error if error else 'return ' + str(given)}."
            )
    if history.status is Status.FAILED and settled is not None and settled.status is Status.SUCCESS:
        raise HistoryDiffers(f"execution {history.execution_id} failed and would now return {settled.result}.")


class _DryRun(Run):
    """A run in which nothing is begun that has not ended yet."""

    def __init__(self, tools: Tools, history: History, workflow: Workflow[Any, Any]) -> None:
        main = workflow.main_job.name
        calls = tuple(call for call in history.calls if call.path != main)
        claimed = Claimed(
            history.execution_id,
            history.workflow,
            canonical(history.args),
            None,
            epoch=1,
            base_epoch=0,
            attempt=max(history.attempts, 1),
            retries=10_000,
            crashes=0,
            revision=None,
            created_at=history.started_at,
            history=calls,
            started_at=tools.clock.now(),
        )
        super().__init__(tools, claimed, workflow)
        self.met: set[str] = set()
        self.fatal: BaseException | None = None
        self.dry = _DryLauncher(self, history)
        self.launcher = self.dry

    def decide(self, call: Checkpoint) -> Any:
        self.met.add(call.path)
        try:
            return super().decide(call)
        except Unwind as unwound:
            self.fatal = unwound.__cause__
            raise

    def is_missed(self, call: Checkpoint) -> bool:
        """A call that the code would have to have made by now, and did not."""
        above = call.path.rpartition("/")[0]
        while "~" in above.rpartition("/")[2]:  # a branch of its job
            above = above.rpartition("/")[0]
        return call.path not in self.met and (above in self.dry.entered or above == self._workflow.main_job.name)


class _DryLauncher(Launcher):
    """Begins only jobs that were under way with calls of their own; everything else stays as it was then."""

    def __init__(self, run: Run, history: History) -> None:
        super().__init__(run, run.loop)
        self._history = history
        self._by_path = {call.path: call for call in history.calls}
        self._waiting: list[concurrent.futures.Future[Any]] = []
        #: Calls that the history does not have, though it has an end.
        self.new: list[str] = []
        #: Jobs whose code ran.
        self.entered: set[str] = set()

    def begin(self, scope: Scope, path: str, work: Callable[[Call], Coroutine[Any, Any, Any]]) -> Triggered[Any]:
        name = path.rpartition("/")[2]
        stored = self._by_path.get(path)
        if name.startswith(_UNSTORED):
            return self.known(scope, path, 0 if name.startswith("send:") else None)
        under_way = stored is not None and stored.status in (JobStatus.RUNNING, JobStatus.SUSPEND)
        if under_way and any(below.startswith(f"{path}/") for below in self._by_path):
            self.entered.add(path)
            return super().begin(scope, path, work)
        if stored is None and self._history.status in (Status.SUCCESS, Status.FAILED):
            self.new.append(path)
        call = Call(path, pending=True)
        call.open_wait = True
        scope.calls.add(call)
        future = self._future()
        if isinstance(future, concurrent.futures.Future):
            self._waiting.append(future)
        return Triggered(future, scope, call)

    def let_go(self) -> None:
        """Take down plain jobs that wait for what will not come."""
        for future in self._waiting:
            if not future.done():
                future.set_exception(Unwind())


class _Notes:
    """Stands for the store: nothing is kept but the end."""

    def __init__(self) -> None:
        self.settled: Settled | None = None

    def mark(self, _write: CallWrite) -> None: ...

    def handled(self, _handled: object) -> None: ...

    def log(self, _write: object) -> None: ...

    async def begin(self, _write: CallWrite) -> None: ...

    async def checkpoint(self, _write: CallWrite) -> None: ...

    async def park(self, _park: object) -> bool:
        return True

    async def settle(self, settled: Settled) -> Status:
        self.settled = settled
        return settled.status

    async def finish(self, _main: CallWrite | None, settled: Settled) -> Status:
        return await self.settle(settled)
