"""Runs one claimed execution: its main job, every call that is made from there, and the checkpoint of each."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, TypeVar

from hub.engine import failures, pausing, replay, retry
from hub.engine.authoring import Job, Workflow
from hub.engine.budgets import Budgets
from hub.engine.launching import Launcher
from hub.engine.others import Others
from hub.engine.registry import Registry
from hub.engine.scope import Call, Scope, Unwind
from hub.engine.starting import MOST_ARGS
from hub.engine.surroundings import Surroundings
from hub.engine.triggered import Triggered
from hub.engine.trying import Ended, Trying, refuse_large
from hub.engine.waiting import Waits
from hub.engine.waking import Doubt, Gate
from hub.model.clock import Clock
from hub.model.durations import spoken
from hub.model.errors import ArgumentHashMismatch, Conflict, Fenced, StoreUnavailable
from hub.model.execution import Checkpoint, Claimed, JobStatus, LogLine, Settled, Status
from hub.model.values import digest
from hub.store import Store
from hub.store.checkpoints import CallWrite, Handled, LogWrite
from hub.store.suspects import ALONE

log = logging.getLogger(__name__)
job_log = logging.getLogger("hub.job")

R = TypeVar("R")

_MOST_LINE = 10_000
_MOST_CRASHES = 3
_LEVELS = logging.getLevelNamesMapping()


@dataclass(frozen=True, slots=True)
class Tools:
    """What every run in a process shares."""

    store: Store
    registry: Registry
    surroundings: Surroundings
    clock: Clock
    #: Threads for plain jobs. It grows: a plain job that waits for another holds its thread.
    threads: concurrent.futures.Executor
    #: Jobs begin only while it is open.
    gate: Gate
    #: Set once an execution here has waited for another one's end.
    awaits_others: threading.Event = field(default_factory=threading.Event)
    #: While it is open, a try begins only once the store has said that the claim still holds.
    doubt: Doubt = field(default_factory=Doubt)
    #: How soon what has failed may be tried again.
    budgets: Budgets = field(default_factory=Budgets)
    #: Told when a run is not suspected any more. On the worker's loop.
    on_cleared: Callable[[], None] = lambda: None


class ExecutionTimeout(Conflict):
    """The execution as a whole took longer than its workflow allows."""


class WorkerLost(Conflict):
    """Workers died with an execution, again and again."""


class Run:
    """One claim of one execution, in this process."""

    def __init__(self, tools: Tools, claimed: Claimed, workflow: Workflow[Any, Any]) -> None:
        self.claimed = claimed
        self.registry = tools.registry
        self.surroundings = tools.surroundings
        #: No further call begins: the claim is over or has to be given up.
        self.stopped = False
        self.tools = tools
        #: The store did not answer, so that nobody knows whether this claim is over.
        self.cut_off = False
        #: It failed, and is due again later.
        self.comes_again = False
        self._workflow = workflow
        #: When the execution has to end, counted from its first attempt; None: no limit.
        self.deadline = None if workflow.timeout is None else claimed.started_at + workflow.timeout
        self.history = {call.path: call for call in claimed.history}
        #: Paths of stored calls that the code has not come to yet.
        self.ahead = set(self.history)
        #: Numbers calls in the order in which they are made. From any thread.
        self.numbers = count(1 + max((call.number for call in claimed.history), default=0))
        self.loop = asyncio.get_running_loop()
        #: An error that no job may catch: the execution fails with it.
        self._fatal: BaseException | None = None
        self._main: asyncio.Task[Ended] | None = None
        #: It may be what took its worker down, more than once. After a while, or once it has stored something, it is not.
        self.suspected = claimed.crashes > 1
        self._clearing: asyncio.TimerHandle | None = None
        self.launcher = Launcher(self, self.loop)
        self._trying = Trying(self)
        self.waits = Waits(self)
        self.others = Others(self)
        #: The scope of the main job, while that runs.
        self.root: Scope | None = None

    # --- the whole execution

    async def execute(self) -> None:
        """Run to the end, or to the point where this claim is over, and settle."""
        try:
            await self._run_main()
        except Fenced:
            self.lose()
        except (Unwind, asyncio.CancelledError):
            if self._fatal is not None:
                await self._fail(self._fatal, None)
            elif self.waits.parked_on:
                await self._park()
            elif not self.stopped:
                raise
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - arguments that do not fit any more, or a fault of ours
            await self._fail(error, None)
        finally:
            self.stopped = True
            if self._clearing is not None:
                self._clearing.cancel()
            # It holds the exception that took it down, and with that every frame, each of which holds this run again.
            self._main = None

    def _outlive(self) -> None:
        """It has stored nothing yet, and its worker lives all the same."""
        self.tools.store.clear(self.claimed.id, self.claimed.epoch)
        self._clear()

    def _clear(self) -> None:
        if self._clearing is not None:
            self._clearing.cancel()
        self.suspected = False
        self.tools.on_cleared()

    def lose(self) -> None:
        """The claim is over: what it was for went on elsewhere or was cancelled."""
        log.info("execution %s went on elsewhere or was cancelled", self.claimed.id)
        self.stop()
        self.tools.store.stopped(self.claimed.id, self.claimed.epoch)

    def stop(self) -> None:
        """The claim is over or has to be given up: take every job's stack down."""
        self.stopped = True
        if self._main is not None:
            self._main.cancel()

    async def _park(self) -> None:
        try:
            await self.tools.store.park(self.waits.parking())
        except Fenced:
            self.lose()

    async def release(self) -> None:
        """Give the execution back, to go on at once on another worker or after a restart."""
        self.waits.parked_on = ()
        self.stop()
        how = {"due_at": self.tools.clock.now(), "reason": "its worker stopped", "retries": self.claimed.retries}
        try:
            await self.tools.store.settle(self._settled(Status.PENDING, **how))
        except Fenced:
            pass
        except StoreUnavailable as error:
            log.warning("execution %s could not be given back and is rescued later: %s", self.claimed.id, error)

    async def _run_main(self) -> None:
        main, claimed, store = self._workflow.main_job, self.claimed, self.tools.store
        self.refuse_if_stopped()
        if claimed.crashes >= _MOST_CRASHES:
            raise WorkerLost(
                f"{claimed.crashes} workers in a row died with this execution and stored nothing. It is left alone until "
                "somebody resumes it."
            )
        if self.suspected:
            self._clearing = self.loop.call_later(ALONE / 1000, self._outlive)
        stored = self.history.get(main.name)
        if stored is not None and stored.status is JobStatus.SUCCESS:
            await store.settle(self._settled(Status.SUCCESS, result=stored.result))
            return
        args = main.input.load(claimed.args)
        call = Checkpoint(main.name, main.name, JobStatus.RUNNING, claimed.args, digest(claimed.args))
        limit = None if self.deadline is None else asyncio.Task(self._end_at(self.deadline), loop=self.loop)
        # In a task of its own, so that it can be taken down while this one settles.
        self._main = asyncio.Task(
            self._trying.until_ended(None, None, main, call, args, claimed.attempt - 1), loop=self.loop
        )
        try:
            ended = await self._main
        finally:
            if limit is not None:
                limit.cancel()
        if ended.failure is None:
            write = CallWrite(claimed.id, claimed.epoch, ended.checkpoint)
            await store.finish(write, self._settled(Status.SUCCESS, result=ended.checkpoint.result))
        else:
            await self._fail(ended.failure, ended.checkpoint)

    async def _end_at(self, deadline: int) -> None:
        """The whole execution fails at its deadline, whatever it does then. A restart does not begin the time anew."""
        await self.tools.clock.sleep(max(deadline - self.now(), 0) / 1000)
        allowed = spoken(self._workflow.timeout or 0)
        self._end_with(ExecutionTimeout(f"the execution did not end within {allowed}, the workflow's timeout."))

    async def _fail(self, error: BaseException, main: Checkpoint | None) -> None:
        claimed, job = self.claimed, self._workflow.main_job
        # The main job's tries are the execution's: one layer of retries, one count.
        policy = self._workflow.retry_policy or job.retry
        description = failures.describe(error, job.name, job.name)
        how: dict[str, Any] = {
            "error": failures.dump(self.hidden(description)),
            "retries": claimed.retries,
        }
        status = Status.FAILED
        if policy is not None and retry.may_retry(policy, error, claimed.retries):
            status, self.comes_again = Status.PENDING_RETRY, True
            now = self.now()
            wait = retry.wait_before(policy, claimed.retries, claimed.id, error, now)
            how["due_at"] = self._trying.when_again(error, job.name, now + wait, now)
            wait = how["due_at"] - now
            how["reason"] = (
                f"retry {claimed.retries + 1} of {policy.max_retries} in {spoken(wait)}: {description['type']}"
            )
            how["retries"] = claimed.retries + 1
        write = None if main is None else CallWrite(claimed.id, claimed.epoch, main)
        try:
            await self.tools.store.finish(write, self._settled(status, **how))
        except Fenced:
            self.lose()

    def _settled(self, status: Status, **how: Any) -> Settled:
        return Settled(self.claimed.id, self.claimed.epoch, status, self.tools.clock.now(), **how)

    # --- calls

    def call(self, scope: Scope, job: Job[Any, Any], input: Any) -> Triggered[Any]:
        """A job is triggered at a scope: give back what is stored, or begin."""
        self.refuse_if_stopped()
        path = scope.next_path(job.name)
        self.note_handled(scope)
        args, value = job.input.dump({} if input is None else input)
        refuse_large("arguments are", args, MOST_ARGS)
        self.surroundings.hiding.refuse("the arguments are", args)
        call = Checkpoint(path, job.name, JobStatus.RUNNING, args, digest(args), number=next(self.numbers))
        match self.decide(call, at_most_once=job.at_most_once):
            case replay.GiveBack(result):
                return self.launcher.known(scope, path, job.output.load(result))
            case replay.RaiseAgain(error):
                return self.launcher.failed_before(scope, path, failures.rebuild(error, path))
            case replay.Unknown(stored):
                return self.launcher.begin(
                    scope, path, lambda made: pausing.await_outcome(self, scope, made, job, call, stored)
                )
            case replay.Perform(attempts):
                return self.launcher.begin(
                    scope, path, lambda made: self.child(scope, made, job, call, value, attempts)
                )

    def decide(self, call: Checkpoint, *, at_most_once: bool = False) -> replay.Decision:
        if self.ahead:
            self.ahead.discard(call.path)
        try:
            return replay.decide(
                self.history.get(call.path), call, base_epoch=self.claimed.base_epoch, at_most_once=at_most_once
            )
        except ArgumentHashMismatch as error:
            began, known = self.claimed.revision, self._workflow.name in self.registry.workflows
            if known and began not in (None, now := self.registry.revision(self._workflow.name)):
                error.args = (f"{error} It began with revision {began} of {self._workflow.name}, and this is {now}.",)
            self._end_with(error)
            raise Unwind from error

    async def child(
        self, scope: Scope, made: Call, job: Job[Any, Any], call: Checkpoint, value: Any, attempts: int
    ) -> Any:
        """A call that is not stored yet: its checkpoint is durable before the caller goes on."""
        ended = await self._trying.until_ended(scope, made, job, call, value, attempts)
        # Before it is durable: should this task be taken down meanwhile, its write goes on, before any later one.
        self.history[call.path] = ended.checkpoint
        await self.durably(self.tools.store.checkpoint(self.write(ended.checkpoint)))
        if self.suspected:
            self._clear()
        if ended.failure is None:
            return ended.value
        assert ended.checkpoint.error is not None
        error = failures.rebuild(ended.checkpoint.error, call.path)
        scope.unseen[call.path] = error
        raise error from ended.failure

    async def fail_call(self, scope: Scope, call: Checkpoint, attempts: int, error: str) -> Any:
        """A call fails without having been tried: its failure is durable before the caller has it."""
        now = self.now()
        write = replace(call, status=JobStatus.FAILED, error=error, attempts=attempts, started_at=now, finished_at=now)
        await self.durably(self.tools.store.checkpoint(self.write(write)))
        return self.raise_stored(scope, call, attempts, error)

    def raise_stored(self, scope: Scope, call: Checkpoint, attempts: int, error: str) -> Any:
        """Raise at the caller what the store has as the call's failure."""
        self.note(call, JobStatus.FAILED, attempts=attempts, error=error)
        raised = failures.rebuild(error, call.path)
        scope.unseen[call.path] = raised
        raise raised

    def note(self, call: Checkpoint, status: JobStatus, **how: Any) -> None:
        """What the store has of a call now, for further tries of the job that makes it."""
        self.history[call.path] = replace(call, status=status, epoch=self.claimed.epoch, finished_at=self.now(), **how)

    def forget_failures(self, path: str) -> None:
        """Calls that failed for good in the last try of the job at `path` run again in the next one."""
        for below, call in list(self.history.items()):
            if below.startswith(f"{path}/") and call.status is JobStatus.FAILED and not call.handled:
                self.history[below] = replace(call, epoch=-1)

    # --- lines and marks

    def hidden(self, description: dict[str, Any]) -> dict[str, Any]:
        """What is kept of an error, without the secrets that were given away."""
        return {**description, "message": self.surroundings.hiding.hide(description["message"])}

    def keep_line(self, path: str, level: str, message: str) -> None:
        """Store a line that a job wrote, and show it in the process's own log."""
        text = self.surroundings.hiding.hide(message.encode(errors="replace").decode())[:_MOST_LINE]
        line = LogLine(self.claimed.id, path, self.tools.clock.now(), level, text)
        self.tools.store.log(LogWrite(self.claimed.epoch, line))
        job_log.log(_LEVELS[level], "%s", text, extra={"execution_id": self.claimed.id, "job": path})

    def note_handled(self, scope: Scope) -> None:
        """A further call from the same place shows that its earlier failures were caught."""
        while scope.failures:
            self._note(scope.failures.pop(), caught=True)

    def note_raised_after_all(self, error: BaseException, path: str) -> None:
        """A job that fails with the error of a call has not caught it, whatever it did in between."""
        for call in failures.calls_behind(error):
            if call.startswith(f"{path}/"):
                self._note(call, caught=False)

    def _note(self, path: str, *, caught: bool) -> None:
        known = self.history.get(path)
        if known is not None and known.handled != caught:
            self.history[path] = replace(known, handled=caught)
            self.tools.store.handled(Handled(self.claimed.id, self.claimed.epoch, path, caught))

    # --- plumbing

    def now(self) -> int:
        return self.tools.clock.now()

    def write(self, call: Checkpoint) -> CallWrite:
        return CallWrite(self.claimed.id, self.claimed.epoch, call)

    async def durably(self, write: Coroutine[Any, Any, R]) -> R:
        """Await a write; when the claim is over, so is this run."""
        try:
            return await write
        except Fenced:
            self.lose()
            raise Unwind from None
        except StoreUnavailable as error:
            self._cut_off(error)
            raise Unwind from None
        except Exception as error:
            self._end_with(error)
            raise Unwind from error

    async def asked(self, question: Coroutine[Any, Any, R]) -> R:
        """Await something whose refusal is the caller's own concern. Without an answer nothing goes on."""
        try:
            return await question
        except StoreUnavailable as error:
            self._cut_off(error)
            raise Unwind from None

    def _cut_off(self, error: StoreUnavailable) -> None:
        log.warning("execution %s stops here until the store answers again: %s", self.claimed.id, error)
        self.cut_off = True
        self.stop()

    def _end_with(self, error: Exception) -> None:
        """The execution fails with this, whatever its jobs catch. From any thread."""
        self._fatal = error
        self.stopped = True
        self.loop.call_soon_threadsafe(self.stop)

    def refuse_if_stopped(self) -> None:
        if self.stopped:
            raise Unwind
