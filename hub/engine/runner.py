"""Runs one claimed execution: its main job, and how it ends or is let go of."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextvars import Context as Variables
from itertools import count
from typing import Any, TypeVar

from hub.engine import failures, replay, retry, strays
from hub.engine.called import Called
from hub.engine.calls import Calls
from hub.engine.launching import Launcher
from hub.engine.others import Others
from hub.engine.scope import Scope, Unwind
from hub.engine.tools import Tools
from hub.engine.trying import Ended, Trying
from hub.engine.waiting import Waits
from hub.engine.workflow import Workflow
from hub.model.durations import spoken
from hub.model.errors import ArgumentHashMismatch, Conflict, Fenced, StoreUnavailable
from hub.model.execution import Checkpoint, Claimed, JobStatus, LogLine, Settled, Status
from hub.model.values import digest
from hub.store.checkpoints import CallWrite, LogWrite
from hub.store.suspects import ALONE

log = logging.getLogger(__name__)
job_log = logging.getLogger("hub.job")

R = TypeVar("R")

_MOST_LINE = 10_000
_MOST_CRASHES = 3
_LEVELS = logging.getLevelNamesMapping()


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
        #: When the execution has to end, counted from its first attempt since it was started or resumed; None: no limit.
        self.deadline = None if workflow.timeout is None else claimed.timed_from + workflow.timeout
        self.history = {call.path: call for call in claimed.history}
        #: Paths of stored calls that the code has not come to yet.
        self.ahead = set(self.history)
        #: Numbers calls in the order in which they are made. From any thread.
        self.numbers = count(1 + max((call.number for call in claimed.history), default=0))
        self.loop = asyncio.get_running_loop()
        #: An error that no job may catch: the execution fails with it.
        self._fatal: BaseException | None = None
        self._main: asyncio.Task[Ended] | None = None
        #: What waits for the main job's end; and until when, once that has been told to end.
        self._ended: asyncio.Future[Ended] | None = None
        self._patience: asyncio.TimerHandle | None = None
        #: It may be what took its worker down, more than once. After a while, or once it has stored something, it is not.
        self.suspected = claimed.crashes > 1
        self._clearing: asyncio.TimerHandle | None = None
        self.launcher = Launcher(self.loop)
        self.trying = Trying(self)
        self.waits = Waits(self)
        self.others = Others(self)
        self.calls = Calls(self)
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
            self._let_go()

    def _let_go(self) -> None:
        self.stopped = True
        for timer in (self._clearing, self._patience):
            if timer is not None:
                timer.cancel()
        if self._main is not None:
            self._main.cancel()
        # It holds the exception that took it down, and with that every frame; each of those, and the root, holds this run.
        self._main = self._ended = self.root = None

    def _outlive(self) -> None:
        """It has stored nothing yet, and its worker lives all the same."""
        self.tools.store.clear(self.claimed.id, self.claimed.epoch)
        self.clear()

    def clear(self) -> None:
        """It is beyond suspicion: the next suspects may begin."""
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
            if self._patience is None:
                self._patience = self.loop.call_later(strays.GRACE, self._leave_main, context=Variables())

    def _leave_main(self) -> None:
        """A job does not let itself be taken down: go on without it."""
        if self._main is not None and self._ended is not None and not self._main.done():
            if self.root is not None:
                strays.leave(self.root)
            self._main.add_done_callback(lambda left: left.cancelled() or left.exception())  # whatever it is by then
            self._ended.cancel()

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
            self.trying.until_ended(Called(main, call, args), claimed.attempt - 1), loop=self.loop
        )
        self._ended = asyncio.shield(self._main)
        try:
            ended = await self._ended
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
        self._end_with(
            ExecutionTimeout(
                f"the execution did not end within {allowed}, the workflow's timeout. When it is resumed, it has that time again."
            )
        )

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
            how["due_at"] = self.trying.when_again(error, job.name, now + wait, now)
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

    # --- what its calls need

    def decide(self, call: Checkpoint, *, at_most_once: bool = False) -> replay.Decision:
        """What a call that is made comes to. Where it does not fit what is stored, the execution fails."""
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

    def hidden(self, description: dict[str, Any]) -> dict[str, Any]:
        """What is kept of an error, without the secrets that were given away."""
        return {**description, "message": self.surroundings.hiding.hide(description["message"])}

    def keep_line(self, path: str, level: str, message: str) -> None:
        """Store a line that a job wrote, and show it in the process's own log."""
        text = self.surroundings.hiding.hide(message.encode(errors="replace").decode())[:_MOST_LINE]
        line = LogLine(self.claimed.id, path, self.tools.clock.now(), level, text)
        self.tools.store.log(LogWrite(self.claimed.epoch, line))
        job_log.log(_LEVELS[level], "%s", text, extra={"execution_id": self.claimed.id, "job": path})

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
