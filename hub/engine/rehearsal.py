"""A rehearsal: a stored history with the code as it is now. Does it still make the same calls? Nothing is executed."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, cast

from hub.engine.history import History
from hub.engine.launching import Launcher
from hub.engine.patching import PREFIX as PATCHED
from hub.engine.registry import Registry
from hub.engine.replay import Decision
from hub.engine.runner import Run
from hub.engine.scope import Call, Scope, Unwind, Work, branch_tasks
from hub.engine.surroundings import Surroundings
from hub.engine.threads import JobThreads
from hub.engine.tools import Tools
from hub.engine.triggered import Triggered
from hub.engine.waking import Gate
from hub.engine.workflow import Workflow
from hub.model.clock import Clock, SystemClock
from hub.model.errors import Conflict
from hub.model.execution import ENDED, Checkpoint, Claimed, JobStatus, Settled, Status
from hub.model.values import canonical
from hub.store import Store
from hub.store.checkpoints import CallWrite

_LONGEST = 5.0
#: Calls that leave nothing in the history: they are made again, under a name that the store knows.
_UNSTORED = ("resolve:", "send:")


class HistoryDiffers(Conflict):
    """The code does not do any more what the history says that it did."""


class CannotTell(Conflict):
    """The code does something that a rehearsal leaves out, so nobody knows how it would go on."""


async def replay(
    history: History,
    workflow: Workflow[Any, Any],
    *,
    others: Iterable[Workflow[Any, Any]] = (),
    surroundings: Surroundings | None = None,
    registry: Registry | None = None,
    blind: bool = False,
    seconds: float = _LONGEST,
) -> None:
    """Run the workflow's code over a history. Finished calls give their stored results; no other job is run.

    The main job's own code does run, and that of jobs that were under way with calls of their own. `others` are the workflows that it
    starts and invokes. Raises ArgumentHashMismatch when a call is made with other arguments, HistoryDiffers when a call is new or
    missing, or the end is another one. With `blind` nothing of the surroundings is touched either: CannotTell where the code would.
    """
    clock, threads, notes = SystemClock(), JobThreads(), _Notes()
    known = registry or Registry([workflow, *others])
    tools = Tools(cast("Store", notes), known, surroundings or Surroundings(), clock, threads, Gate(clock))
    run = _DryRun(tools, history, workflow)
    if blind:
        run.surroundings = cast("Surroundings", _Blind(run))
    loop = asyncio.get_running_loop()
    factory = loop.get_task_factory()
    branch_tasks(loop)
    task = asyncio.Task(run.execute(), loop=loop)
    try:
        await _to_its_end(run, task, clock, seconds)
    finally:
        loop.set_task_factory(factory)
        run.stop()
        run.dry.let_go()
        await asyncio.wait([task])
        threads.shutdown()
    task.result()
    _compare(history, run, notes)


async def _to_its_end(run: _DryRun, task: asyncio.Task[None], clock: Clock, seconds: float) -> None:
    """Until it has ended, or every job is blocked on what had not ended then."""
    until = clock.monotonic() + seconds
    while not task.done():
        if run.dry.new or (run.root is not None and run.root.idle()):
            return
        if clock.monotonic() > until:
            raise HistoryDiffers(f"the replay of {run.claimed.id} did not come to an end within {seconds:g} s.")
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
    if run.blind is not None:
        raise CannotTell(
            f"the code of execution {history.execution_id} {run.blind} between its calls, which a rehearsal leaves out."
        )
    gone = [call.path for call in history.calls if run.is_missed(call)]
    if gone and run.dry.early:
        raise HistoryDiffers(
            f"execution {history.execution_id} made the call {gone[0]}, and the code makes {run.dry.early[0]} before it now."
        )
    if gone:
        raise HistoryDiffers(
            f"execution {history.execution_id} made the call {gone[0]} which the code does not make any more"
            + (f": it would fail with {error}." if error is not None and history.status not in ENDED else ".")
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
            None if history.invoker is None else canonical(history.invoker),
            epoch=1,
            base_epoch=0,
            attempt=max(history.attempts, 1),
            retries=10_000,
            crashes=0,
            revision=None,
            created_at=history.started_at,
            history=calls,
            timed_from=tools.clock.now(),
        )
        super().__init__(tools, claimed, workflow)
        self.met: set[str] = set()
        self.fatal: BaseException | None = None
        #: What the code did that a rehearsal leaves out; None: nothing.
        self.blind: str | None = None
        self.dry = _DryLauncher(self.loop, history)
        self.launcher = self.dry

    def decide(self, call: Checkpoint, *, at_most_once: bool = False) -> Decision:
        self.met.add(call.path)
        try:
            return super().decide(call, at_most_once=at_most_once)
        except Unwind as unwound:
            self.fatal = unwound.__cause__
            raise

    def keep_line(self, path: str, level: str, message: str) -> None:
        """Said before, by the real one."""

    def go_blind(self, what: str) -> NoReturn:
        self.blind = what
        self.stopped = True
        self.loop.call_soon_threadsafe(self.stop)
        raise Unwind

    def is_missed(self, call: Checkpoint) -> bool:
        """A call that the code would have to have made by now, and did not."""
        above, _, name = call.path.rpartition("/")
        if name.startswith(PATCHED):
            return False
        while "~" in above.rpartition("/")[2]:  # a branch of its job
            above = above.rpartition("/")[0]
        return call.path not in self.met and (above in self.dry.entered or above == self._workflow.main_job.name)


class _Blind:
    """Surroundings of code that must have no effects: what it would work with between its calls ends the rehearsal."""

    def __init__(self, run: _DryRun) -> None:
        self._run = run
        self._known = run.tools.surroundings

    def __getattr__(self, name: str) -> Any:
        return getattr(self._known, name)

    def database(self, name: str) -> NoReturn:
        self._run.go_blind(f"works with the database {name}")

    def secret(self, name: str) -> NoReturn:
        self._run.go_blind(f"reads the secret {name}")

    def http(self, _key: str, _plain: bool, _calls: Callable[[str], None]) -> NoReturn:
        self._run.go_blind("calls out over HTTP")


class _DryLauncher(Launcher):
    """Begins only jobs that were under way with calls of their own; everything else stays as it was then."""

    def __init__(self, loop: asyncio.AbstractEventLoop, history: History) -> None:
        super().__init__(loop)
        self._history = history
        self._by_path = {call.path: call for call in history.calls}
        self._waiting: list[concurrent.futures.Future[Any]] = []
        #: Calls that the history does not have, though it has an end.
        self.new: list[str] = []
        #: Calls that the history does not have, and has no end either: they may just come next.
        self.early: list[str] = []
        #: Jobs whose code ran.
        self.entered: set[str] = set()

    def begin(self, scope: Scope, path: str, work: Work) -> Triggered[Any]:
        name = path.rpartition("/")[2]
        stored = self._by_path.get(path)
        if name.startswith(_UNSTORED):
            return self.known(scope, path, 0 if name.startswith("send:") else None)
        under_way = stored is not None and stored.status in (JobStatus.RUNNING, JobStatus.SUSPEND)
        if under_way and any(below.startswith(f"{path}/") for below in self._by_path):
            self.entered.add(path)
            return super().begin(scope, path, work)
        if stored is None:
            (self.new if self._history.status in (Status.SUCCESS, Status.FAILED) else self.early).append(path)
        call = Call(path)
        call.open_wait = True
        scope.calls.add(call)
        future = call.future = self._future()
        if isinstance(future, concurrent.futures.Future):
            self._waiting.append(future)
        return Triggered(scope, call)

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
