"""Runs one claimed execution: its main job, every call that is made from there, and the checkpoint of each."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from hub.engine import failures, replay, retry
from hub.engine.authoring import Job, Workflow
from hub.engine.context import Context
from hub.engine.registry import Registry
from hub.engine.scope import Scope, Unwind, enter
from hub.engine.starting import MOST_ARGS, nested_request
from hub.engine.surroundings import Surroundings
from hub.engine.triggered import Triggered
from hub.model.clock import Clock
from hub.model.durations import spoken
from hub.model.errors import ArgumentHashMismatch, BadInput, Conflict, Fenced, JobFailed, JobTimeout, StoreUnavailable
from hub.model.execution import Checkpoint, Claimed, JobStatus, LogLine, Settled, StartRequest, Status
from hub.model.values import canonical, digest, parse
from hub.store import Store
from hub.store.checkpoints import CallWrite, Handled, LogWrite

log = logging.getLogger(__name__)
job_log = logging.getLogger("hub.job")

R = TypeVar("R")

MOST_RESULT = 1_048_576
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


class WorkerLost(Conflict):
    """Workers died with an execution, again and again."""


@dataclass(slots=True)
class _Ended:
    """A job that succeeded, or failed for good. Not stored yet."""

    checkpoint: Checkpoint
    #: Its result as a replay would rebuild it.
    value: Any = None
    failure: BaseException | None = None


class Run:
    """One claim of one execution, in this process."""

    def __init__(self, tools: Tools, claimed: Claimed, workflow: Workflow[Any, Any]) -> None:
        self.claimed = claimed
        self.registry = tools.registry
        self.surroundings = tools.surroundings
        #: No further call begins: the claim is over or has to be given up.
        self.stopped = False
        self._tools = tools
        self._workflow = workflow
        self._history = {call.path: call for call in claimed.history}
        self._loop = asyncio.get_running_loop()
        #: An error that no job may catch: the execution fails with it.
        self._fatal: BaseException | None = None
        self._main: asyncio.Task[_Ended] | None = None
        #: Calls that wait for their next try.
        self._resting: set[asyncio.Task[Any] | None] = set()

    # --- the whole execution

    async def execute(self) -> None:
        """Run to the end, or to the point where this claim is over, and settle."""
        try:
            await self._run_main()
        except Fenced:
            log.info("execution %s went on elsewhere or was cancelled", self.claimed.id)
        except (Unwind, asyncio.CancelledError):
            if self._fatal is not None:
                await self._fail(self._fatal, None)
            elif not self.stopped:
                raise
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - arguments that do not fit any more, or a fault of ours
            await self._fail(error, None)
        finally:
            self.stopped = True

    def stop(self) -> None:
        """The claim is over or has to be given up: take every job's stack down."""
        self.stopped = True
        if self._main is not None:
            self._main.cancel()

    async def release(self) -> None:
        """Give the execution back, to go on at once on another worker or after a restart."""
        self.stop()
        how = {"due_at": self._tools.clock.now(), "reason": "its worker stopped", "retries": self.claimed.retries}
        try:
            await self._tools.store.settle(self._settled(Status.PENDING, **how))
        except Fenced:
            pass
        except StoreUnavailable as error:
            log.warning("execution %s could not be given back and is rescued later: %s", self.claimed.id, error)

    async def _run_main(self) -> None:
        main, claimed, store = self._workflow.main_job, self.claimed, self._tools.store
        self._refuse_if_stopped()
        if claimed.crashes >= _MOST_CRASHES:
            raise WorkerLost(
                f"{claimed.crashes} workers in a row died with this execution and stored nothing. It is left alone until "
                "somebody resumes it."
            )
        stored = self._history.get(main.name)
        if stored is not None and stored.status is JobStatus.SUCCESS:
            await store.settle(self._settled(Status.SUCCESS, result=stored.result))
            return
        args = main.input.load(claimed.args)
        call = Checkpoint(main.name, main.name, JobStatus.RUNNING, claimed.args, digest(claimed.args))
        # In a task of its own, so that it can be taken down while this one settles.
        self._main = asyncio.Task(self._attempt(None, main, call, args, claimed.attempt - 1), loop=self._loop)
        ended = await self._main
        if ended.failure is None:
            write = CallWrite(claimed.id, claimed.epoch, ended.checkpoint)
            await store.finish(write, self._settled(Status.SUCCESS, result=ended.checkpoint.result))
        else:
            await self._fail(ended.failure, ended.checkpoint)

    async def _fail(self, error: BaseException, main: Checkpoint | None) -> None:
        claimed, job = self.claimed, self._workflow.main_job
        # The main job's tries are the execution's: one layer of retries, one count.
        policy = self._workflow.retry_policy or job.retry
        description = failures.describe(error, job.name, job.name)
        how: dict[str, Any] = {"error": failures.dump(description), "retries": claimed.retries}
        status = Status.FAILED
        if policy is not None and retry.may_retry(policy, error, claimed.retries):
            status = Status.PENDING_RETRY
            wait = retry.backoff(policy, claimed.retries, claimed.id)
            how["due_at"] = self._tools.clock.now() + wait
            how["reason"] = (
                f"retry {claimed.retries + 1} of {policy.max_retries} in {spoken(wait)}: {description['type']}"
            )
            how["retries"] = claimed.retries + 1
        write = None if main is None else CallWrite(claimed.id, claimed.epoch, main)
        try:
            await self._tools.store.finish(write, self._settled(status, **how))
        except Fenced:
            log.info("execution %s went on elsewhere or was cancelled", claimed.id)

    def _settled(self, status: Status, **how: Any) -> Settled:
        return Settled(self.claimed.id, self.claimed.epoch, status, self._tools.clock.now(), **how)

    # --- calls

    def call(self, scope: Scope, job: Job[Any, Any], input: Any) -> Triggered[Any]:
        """A job is triggered at a scope: give back what is stored, or begin."""
        self._refuse_if_stopped()
        path = scope.next_path(job.name)
        self.note_handled(scope)
        args, value = job.input.dump({} if input is None else input)
        _refuse_large("arguments are", args, MOST_ARGS)
        call = Checkpoint(path, job.name, JobStatus.RUNNING, args, digest(args))
        match self._decide(call):
            case replay.GiveBack(result):
                return self._known(scope, path, job.output.load(result))
            case replay.RaiseAgain(error):
                return self._failed_before(scope, path, failures.rebuild(error, path))
            case replay.Perform(attempts):
                return self._launch(scope, path, self._child(scope, job, call, value, attempts))

    def _decide(self, call: Checkpoint) -> replay.Decision:
        try:
            return replay.decide(self._history.get(call.path), call, base_epoch=self.claimed.base_epoch)
        except ArgumentHashMismatch as error:
            self._end_with(error)
            raise Unwind from error

    async def _child(self, scope: Scope, job: Job[Any, Any], call: Checkpoint, value: Any, attempts: int) -> Any:
        """A call that is not stored yet: its checkpoint is durable before the caller goes on."""
        ended = await self._attempt(scope, job, call, value, attempts)
        # Before it is durable: should this task be taken down meanwhile, its write goes on, before any later one.
        self._history[call.path] = ended.checkpoint
        await self._durably(self._tools.store.checkpoint(self._write(ended.checkpoint)))
        if ended.failure is None:
            return ended.value
        assert ended.checkpoint.error is not None
        error = failures.rebuild(ended.checkpoint.error, call.path)
        scope.unseen[call.path] = error
        raise error from ended.failure

    async def _attempt(
        self, parent: Scope | None, job: Job[Any, Any], call: Checkpoint, value: Any, attempts: int
    ) -> _Ended:
        """Try a job until it succeeds or fails for good. Without a parent it is the main job."""
        store, clock, path = self._tools.store, self._tools.clock, call.path
        while True:
            attempts += 1
            mark = _state(call, JobStatus.RUNNING, attempts, clock.now(), epoch=self.claimed.epoch)
            if attempts == 1 or parent is None:
                # The main job's tries are counted by the claim; a first try is told apart from none by its effect.
                store.mark(self._write(mark))
            else:
                self._forget_failures(path)
                await self._durably(store.begin(self._write(mark)))
            try:
                text, result = await self._try(job, path, value, attempts)
            except (Unwind, KeyboardInterrupt, GeneratorExit):
                raise
            except BaseException as error:  # noqa: BLE001 - whatever a job raises is its failure, sys.exit() too
                self._raise_if_taken_down(error)
                self._note_raised_after_all(error, path)
                if parent is not None and not parent.closed and retry.may_retry(job.retry, error, attempts - 1):
                    await self._rest(job, path, attempts)
                    value = job.input.load(call.args)  # the last try may have changed it
                    continue
                described = failures.dump(failures.describe(error, job.name, path))
                return _Ended(
                    _state(mark, JobStatus.FAILED, attempts, mark.started_at, error=described, finished_at=clock.now()),
                    failure=error,
                )
            self._refuse_if_stopped()
            return _Ended(
                _state(mark, JobStatus.SUCCESS, attempts, mark.started_at, result=text, finished_at=clock.now()), result
            )

    async def _rest(self, job: Job[Any, Any], path: str, attempts: int) -> None:
        assert job.retry is not None
        task = asyncio.current_task()
        self._resting.add(task)
        try:
            await self._tools.clock.sleep(retry.backoff(job.retry, attempts - 1, f"{self.claimed.id}/{path}") / 1000)
        finally:
            self._resting.discard(task)

    def _raise_if_taken_down(self, error: BaseException) -> None:
        """Go on unwinding when it was not the job that failed, but somebody who took it down."""
        self._refuse_if_stopped()
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise error

    def _forget_failures(self, path: str) -> None:
        """Calls that failed for good in the last try of the job at `path` run again in the next one."""
        for below, call in list(self._history.items()):
            if below.startswith(f"{path}/") and call.status is JobStatus.FAILED and not call.handled:
                self._history[below] = replace(call, epoch=-1)

    async def _try(self, job: Job[Any, Any], path: str, value: Any, attempt: int) -> tuple[str, Any]:
        """One try of a job; its result as JSON text, and as a replay would rebuild it."""
        scope = Scope(self, path)
        try:
            body = self._body(job, scope, value, Context(self, path, value, attempt))
            result = await (body if job.timeout is None else _within(job.timeout, body))
            text, rebuilt = job.output.dump(result)
            _refuse_large("result is", text, MOST_RESULT)
        except BaseException as error:
            await self._close(scope, error)
            raise
        scope.close(abandoned=False)
        return text, rebuilt

    async def _close(self, scope: Scope, error: BaseException) -> None:
        """A try has failed. When it returns no call of it is under way, so that the next try meets none.

        After an ordinary failure calls are let finish, and their results kept: what they do is done in any case. After
        a timeout, or when the claim is over, they are taken down.
        """
        scope.close(abandoned=True)
        taken_down = not isinstance(error, Exception) or (isinstance(error, JobTimeout) and not error.path)
        for child in scope.children:
            if taken_down or child in self._resting:
                child.cancel()
        try:
            while scope.children:
                await asyncio.wait(scope.children)
        except asyncio.CancelledError:
            for child in scope.children:
                child.cancel()
            raise

    async def _body(self, job: Job[Any, Any], scope: Scope, value: Any, context: Context) -> Any:
        """The job itself, and the calls that it did not wait for."""
        enter(scope)
        if job.is_async:
            result = await job.invoke(value, context)
        else:
            variables = copy_context()
            result = await self._loop.run_in_executor(
                self._tools.threads, lambda: variables.run(job.invoke, value, context)
            )
        while scope.children:
            await asyncio.wait(scope.children)
        if scope.unseen:
            # Nobody looked: the same whether it failed before the job's end or after.
            raise scope.unseen[min(scope.unseen)]
        return result

    # --- starting other executions

    def start_other(
        self,
        scope: Scope,
        workflow: str,
        args: Any,
        invoker: str | Mapping[str, str] | None,
        idempotency_key: str | None,
    ) -> Triggered[str]:
        """Start another execution. Run again after a restart it finds the one that it started."""
        self._refuse_if_stopped()
        name = f"start:{workflow}"
        path = scope.next_path(name)
        self.note_handled(scope)
        text, _ = self.registry.workflow(workflow).main_job.input.dump({} if args is None else args)
        call = Checkpoint(path, name, JobStatus.SUCCESS, text, digest(text), epoch=self.claimed.epoch)
        decision = self._decide(call)
        if isinstance(decision, replay.GiveBack):
            return self._known(scope, path, parse(decision.result))
        request = nested_request(
            self.registry,
            self.surroundings,
            self._tools.clock,
            self.claimed,
            workflow=workflow,
            args=args,
            invoker=invoker,
            idempotency_key=idempotency_key or f"{self.claimed.id}/{path}",
        )
        return self._launch(scope, path, self._start(request, call))

    async def _start(self, request: StartRequest, call: Checkpoint) -> str:
        now = self._tools.clock.now()
        done = replace(call, started_at=now, finished_at=now)
        started = await self._durably(self._tools.store.start_nested(request, self._write(done)))
        self._history[call.path] = replace(done, result=canonical(started.id))
        return started.id

    # --- lines and marks

    def keep_line(self, path: str, level: str, message: str) -> None:
        """Store a line that a job wrote, and show it in the process's own log."""
        text = message.encode(errors="replace").decode()[:_MOST_LINE]
        line = LogLine(self.claimed.id, path, self._tools.clock.now(), level, text)
        self._tools.store.log(LogWrite(self.claimed.epoch, line))
        job_log.log(_LEVELS[level], "%s", text, extra={"execution_id": self.claimed.id, "job": path})

    def note_handled(self, scope: Scope) -> None:
        """A further call from the same place shows that its earlier failures were caught."""
        while scope.failures:
            self._note(scope.failures.pop(), caught=True)

    def _note_raised_after_all(self, error: BaseException, path: str) -> None:
        """A job that fails with the error of a call has not caught it, whatever it did in between."""
        for call in failures.calls_behind(error):
            if call.startswith(f"{path}/"):
                self._note(call, caught=False)

    def _note(self, path: str, *, caught: bool) -> None:
        known = self._history.get(path)
        if known is not None and known.handled != caught:
            self._history[path] = replace(known, handled=caught)
            self._tools.store.handled(Handled(self.claimed.id, self.claimed.epoch, path, caught))

    # --- plumbing

    def _write(self, call: Checkpoint) -> CallWrite:
        return CallWrite(self.claimed.id, self.claimed.epoch, call)

    async def _durably(self, write: Coroutine[Any, Any, R]) -> R:
        """Await a write; when the claim is over, so is this run."""
        try:
            return await write
        except (Fenced, StoreUnavailable):
            # Without a store nothing may go on either: the execution is rescued when there is one again.
            self.stop()
            raise Unwind from None
        except Exception as error:
            self._end_with(error)
            raise Unwind from error

    def _end_with(self, error: Exception) -> None:
        """The execution fails with this, whatever its jobs catch. From any thread."""
        self._fatal = error
        self.stopped = True
        self._loop.call_soon_threadsafe(self.stop)

    def _refuse_if_stopped(self) -> None:
        if self.stopped:
            raise Unwind

    def _launch(self, scope: Scope, path: str, call: Coroutine[Any, Any, Any]) -> Triggered[Any]:
        """Begin a call now, on the run's loop, whichever thread asks."""
        if _on_loop(self._loop):
            return Triggered(self._task(scope, call), scope, path)
        waiting: concurrent.futures.Future[Any] = concurrent.futures.Future()
        try:
            self._loop.call_soon_threadsafe(self._task_for_thread, scope, call, waiting)
        except RuntimeError:  # the loop is gone, this thread is left over
            call.close()
            raise Unwind from None
        return Triggered(waiting, scope, path)

    def _task(self, scope: Scope, call: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        # Made directly, not by the loop's factory: an engine's task is no branch of the user's.
        task = asyncio.Task(call, loop=self._loop)
        scope.children.add(task)
        task.add_done_callback(_forgetter(scope))
        return task

    def _task_for_thread(
        self, scope: Scope, call: Coroutine[Any, Any, Any], waiting: concurrent.futures.Future[Any]
    ) -> None:
        if scope.closed or self.stopped:
            call.close()
            waiting.set_exception(Unwind())
            return

        def hand_over(task: asyncio.Task[Any]) -> None:
            if task.cancelled():
                waiting.set_exception(Unwind())
            elif (error := task.exception()) is not None:
                waiting.set_exception(error)
            else:
                waiting.set_result(task.result())

        self._task(scope, call).add_done_callback(hand_over)

    def _known(self, scope: Scope, path: str, value: Any) -> Triggered[Any]:
        """A call whose result is stored."""
        future = self._future()
        future.set_result(value)
        return Triggered(future, scope, path)

    def _failed_before(self, scope: Scope, path: str, error: JobFailed) -> Triggered[Any]:
        """A call whose failure is stored."""
        future = self._future()
        future.set_exception(error)
        future.exception()  # it may never be looked at
        scope.unseen[path] = error
        return Triggered(future, scope, path)

    def _future(self) -> asyncio.Future[Any] | concurrent.futures.Future[Any]:
        return self._loop.create_future() if _on_loop(self._loop) else concurrent.futures.Future()


async def _within(timeout: int, body: Coroutine[Any, Any, Any]) -> Any:  # noqa: ASYNC109 - it is the job's, in milliseconds
    limit = asyncio.timeout(timeout / 1000)
    try:
        async with limit:
            return await body
    except TimeoutError:
        if not limit.expired():  # the job's own
            raise
        raise JobTimeout("JobTimeout", f"it ran longer than {spoken(timeout)}") from None


def _state(call: Checkpoint, status: JobStatus, attempts: int, started_at: int, **how: Any) -> Checkpoint:
    """The call in another state. Not `dataclasses.replace`, which is slow where calls are many."""
    epoch = how.pop("epoch", call.epoch)
    return Checkpoint(
        call.path,
        call.name,
        status,
        call.args,
        call.args_hash,
        attempts=attempts,
        started_at=started_at,
        epoch=epoch,
        **how,
    )


def _refuse_large(what: str, text: str, most: int) -> None:
    if len(text) > most:
        raise BadInput(f"the {what} {len(text):,} characters of JSON; at most {most:,} can be stored.")


def _forgetter(scope: Scope) -> Callable[[asyncio.Task[Any]], None]:
    def forget(task: asyncio.Task[Any]) -> None:
        scope.children.discard(task)
        if not task.cancelled():
            task.exception()

    return forget


def _on_loop(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
