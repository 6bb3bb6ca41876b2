"""Runs one claimed execution: its main job, every call that is made from there, and the checkpoint of each."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any

from hub.engine import failures, replay, retry
from hub.engine.authoring import Job, Workflow
from hub.engine.context import Context
from hub.engine.registry import Registry
from hub.engine.scope import Scope, enter
from hub.engine.starting import start_request
from hub.engine.surroundings import Surroundings
from hub.engine.triggered import Triggered
from hub.model.clock import Clock
from hub.model.durations import spoken
from hub.model.errors import ArgumentHashMismatch, BadInput, Fenced, JobFailed, JobTimeout
from hub.model.execution import Checkpoint, Claimed, JobStatus, LogLine, Settled, Status
from hub.model.values import digest
from hub.store import Store
from hub.store.checkpoints import CallWrite, Handled, LogWrite

log = logging.getLogger(__name__)
job_log = logging.getLogger("hub.job")

MOST_RESULT = 1_048_576


class Unwind(BaseException):
    """Takes a job's stack down without being an error: the claim is over, or the execution has to stop here.

    Not an Exception, so that `except Exception` in a job cannot swallow it.
    """


@dataclass(frozen=True, slots=True)
class Tools:
    """What every run in a process shares."""

    store: Store
    registry: Registry
    surroundings: Surroundings
    clock: Clock
    #: Threads for plain jobs. It grows: a plain job that waits for another holds its thread.
    threads: concurrent.futures.ThreadPoolExecutor


class Run:
    """One claim of one execution, in this process."""

    def __init__(self, tools: Tools, claimed: Claimed, workflow: Workflow[Any, Any]) -> None:
        self.claimed = claimed
        self.registry = tools.registry
        self.surroundings = tools.surroundings
        self._tools = tools
        self._workflow = workflow
        self._history = {call.path: call for call in claimed.history}
        self._loop = asyncio.get_running_loop()
        self._stopped = False
        #: An error that no job may catch: the execution fails with it.
        self._fatal: BaseException | None = None
        self._main: asyncio.Task[tuple[Checkpoint, Exception | None]] | None = None

    # --- the whole execution

    async def execute(self) -> None:
        """Run to the end, or to the point where this claim is over, and settle."""
        main, claimed, store = self._workflow.main_job, self.claimed, self._tools.store
        stored = self._history.get(main.name)
        try:
            if stored is not None and stored.status is JobStatus.SUCCESS:
                await store.settle(self._settled(Status.SUCCESS, result=stored.result))
                return
            args = main.input.load(claimed.args)
            # In a task of its own, so that it can be taken down while this one settles.
            self._main = asyncio.Task(
                self._attempt(Scope(self, "", None), main, main.name, claimed.args, args, claimed.attempt - 1),
                loop=self._loop,
            )
            done, failure = await self._main
            if failure is None:
                # Both in one transaction: a finished main job is a finished execution.
                await asyncio.gather(
                    store.checkpoint(CallWrite(claimed.id, claimed.epoch, done)),
                    store.settle(self._settled(Status.SUCCESS, result=done.result)),
                )
            else:
                await self._fail(failure, done)
        except Fenced:
            log.info("execution %s went on elsewhere or was cancelled", claimed.id)
        except (Unwind, asyncio.CancelledError):
            if self._fatal is not None:
                await self._fail(self._fatal, None)
            elif not self._stopped:
                raise
        except Exception as error:  # noqa: BLE001 - arguments that do not fit any more, or a fault of ours
            await self._fail(error, None)
        finally:
            self._stopped = True

    def stop(self) -> None:
        """The claim is over or has to be given up: take every job's stack down."""
        self._stopped = True
        if self._main is not None:
            self._main.cancel()

    async def release(self) -> None:
        """Give the execution back, to go on at once on another worker or after a restart."""
        self.stop()
        with contextlib.suppress(Fenced):
            now = self._tools.clock.now()
            await self._tools.store.settle(
                self._settled(Status.PENDING, due_at=now, reason="its worker stopped", retries=self.claimed.retries)
            )

    async def _fail(self, error: BaseException, main: Checkpoint | None) -> None:
        claimed, policy = self.claimed, self._workflow.retry_policy
        description = failures.describe(error, self._workflow.main_job.name, self._workflow.main_job.name)
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
        writes: list[Coroutine[Any, Any, Any]] = [self._tools.store.settle(self._settled(status, **how))]
        if main is not None:
            writes.insert(0, self._tools.store.checkpoint(CallWrite(claimed.id, claimed.epoch, main)))
        try:
            await asyncio.gather(*writes)
        except Fenced:
            log.info("execution %s went on elsewhere or was cancelled", claimed.id)

    def _settled(self, status: Status, **how: Any) -> Settled:
        return Settled(self.claimed.id, self.claimed.epoch, status, self._tools.clock.now(), **how)

    # --- calls

    def call(self, scope: Scope, job: Job[Any, Any], input: Any) -> Triggered[Any]:
        """A job is triggered at a scope: give back what is stored, or begin."""
        self._refuse_if_stopped()
        path = scope.next_path(job.name)
        args, value = job.input.dump({} if input is None else input)
        self._note_handled(scope)
        stored = self._history.get(path)
        try:
            decision = replay.decide(
                stored,
                name=job.name,
                path=path,
                args=args,
                args_hash=digest(args),
                base_epoch=self.claimed.base_epoch,
            )
        except ArgumentHashMismatch as error:
            self._fatal = error
            self._loop.call_soon_threadsafe(self.stop)
            raise Unwind from error
        match decision:
            case replay.GiveBack(result):
                return self._known(scope, path, job.output.load(result), None)
            case replay.RaiseAgain(text):
                return self._known(scope, path, None, failures.rebuild(text))
            case replay.Perform(attempts):
                return self._launch(scope, path, self._child(scope, job, path, args, value, attempts))

    async def _child(self, scope: Scope, job: Job[Any, Any], path: str, args: str, value: Any, attempts: int) -> Any:
        """A call that is not stored yet: its checkpoint is durable before the caller goes on."""
        done, failure = await self._attempt(scope, job, path, args, value, attempts)
        self._history[path] = done
        await self._durably(self._tools.store.checkpoint(CallWrite(self.claimed.id, self.claimed.epoch, done)))
        if failure is not None:
            assert done.error is not None
            raise failures.rebuild(done.error) from failure
        assert done.result is not None
        return job.output.load(done.result)

    async def _attempt(
        self, parent: Scope, job: Job[Any, Any], path: str, args: str, value: Any, attempts: int
    ) -> tuple[Checkpoint, Exception | None]:
        """Try a job until it succeeds or fails for good. The checkpoint is not stored yet."""
        store, clock, claimed = self._tools.store, self._tools.clock, self.claimed
        is_main = not parent.path
        mark = Checkpoint(path, job.name, JobStatus.RUNNING, args, digest(args), epoch=claimed.epoch)
        while True:
            attempts += 1
            mark = replace(mark, attempts=attempts, started_at=clock.now())
            write = CallWrite(claimed.id, claimed.epoch, mark)
            if attempts == 1 or is_main:
                # The main job's tries are counted by the claim; a first try is told apart from none by its effect.
                store.mark(write)
            else:
                self._forget_failures(path)
                await self._durably(store.begin(write))
            try:
                text = await self._try(job, path, value, attempts)
            except Exception as error:  # noqa: BLE001 - whatever a job raises is its failure
                self._refuse_if_stopped()
                if job.retry is not None and not is_main and retry.may_retry(job.retry, error, attempts - 1):
                    await clock.sleep(retry.backoff(job.retry, attempts - 1, f"{claimed.id}/{path}") / 1000)
                    continue
                described = failures.dump(failures.describe(error, job.name, path))
                return replace(mark, status=JobStatus.FAILED, error=described, finished_at=clock.now()), error
            return replace(mark, status=JobStatus.SUCCESS, result=text, finished_at=clock.now()), None

    def _forget_failures(self, path: str) -> None:
        """Calls that failed for good in the last try of the job at `path` run again in the next one."""
        for below, call in list(self._history.items()):
            if below.startswith(f"{path}/") and call.status is JobStatus.FAILED and not call.handled:
                self._history[below] = replace(call, epoch=-1)

    async def _try(self, job: Job[Any, Any], path: str, value: Any, attempt: int) -> str:
        """One try of a job; its result as JSON text."""
        context = Context(self, path, value, attempt)
        scope = Scope(self, path, context)
        try:
            result = await self._within(job, self._body(job, scope, value, context))
            if scope.children:
                await asyncio.gather(*scope.children)
            text, _ = job.output.dump(result)
            if len(text) > MOST_RESULT:
                raise BadInput(
                    f"the result is {len(text):,} characters of JSON; at most {MOST_RESULT:,} can be stored."
                )
            return text
        finally:
            scope.closed = True
            for child in list(scope.children):
                child.cancel()

    async def _within(self, job: Job[Any, Any], body: Coroutine[Any, Any, Any]) -> Any:
        if job.timeout is None:
            return await body
        try:
            async with asyncio.timeout(job.timeout / 1000):
                return await body
        except TimeoutError:
            raise JobTimeout("JobTimeout", f"it ran longer than {spoken(job.timeout)}") from None

    async def _body(self, job: Job[Any, Any], scope: Scope, value: Any, context: Context) -> Any:
        enter(scope)
        if job.is_async:
            return await job.invoke(value, context)
        variables = copy_context()
        return await self._loop.run_in_executor(self._tools.threads, lambda: variables.run(job.invoke, value, context))

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
        path = scope.next_path(f"start:{workflow}")
        own = self.surroundings.invoker(self.claimed.invoker)
        match invoker:
            case None:
                acting = own
            case str():
                acting = self.surroundings.named_user(invoker, None if own is None else own.auth_namespace)
            case _:
                acting = self.surroundings.named_user(invoker["machine_user_name"], invoker.get("namespace"))
        if own is not None or acting is not None:
            # Nested executions gain no rights: the running invoker must be allowed to start it, too.
            self.surroundings.allow(own, "workflow:start", workflow)
        request = start_request(
            self.registry,
            self.surroundings,
            self._tools.clock,
            workflow=workflow,
            args=args,
            invoker=acting,
            requested_by=f"execution:{self.claimed.id}",
            idempotency_key=idempotency_key or f"{self.claimed.id}/{path}",
        )

        async def begin() -> str:
            return (await self._tools.store.start(request)).id

        return self._launch(scope, path, begin())

    # --- lines and marks

    def keep_line(self, path: str, level: str, message: str) -> None:
        """Store a line that a job wrote, and show it in the process's own log."""
        line = LogLine(self.claimed.id, path, self._tools.clock.now(), level, message)
        self._tools.store.log(LogWrite(self.claimed.epoch, line))
        job_log.log(
            logging.getLevelNamesMapping()[level], "%s", message, extra={"execution_id": self.claimed.id, "job": path}
        )

    def _note_handled(self, scope: Scope) -> None:
        """A further call from the same place shows that its earlier failures were caught."""
        while scope.failures:
            self._tools.store.handled(Handled(self.claimed.id, self.claimed.epoch, scope.failures.pop()))

    # --- plumbing

    async def _durably(self, write: Coroutine[Any, Any, None]) -> None:
        """Await a write; when the claim is over, so is this run."""
        try:
            await write
        except Fenced:
            self.stop()
            raise Unwind from None

    def _refuse_if_stopped(self) -> None:
        if self._stopped:
            raise Unwind

    def _launch(self, scope: Scope, path: str, call: Coroutine[Any, Any, Any]) -> Triggered[Any]:
        """Begin a call now, on the run's loop, whichever thread asks."""
        if _on_loop(self._loop):
            return Triggered(self._task(scope, call), scope, path)
        waiting: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._loop.call_soon_threadsafe(self._task_for_thread, scope, call, waiting)
        return Triggered(waiting, scope, path)

    def _task(self, scope: Scope, call: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        # Made directly, not by the loop's factory: an engine's task is no branch of the user's.
        task = asyncio.Task(call, loop=self._loop)
        scope.children.add(task)
        task.add_done_callback(_ended(scope))
        return task

    def _task_for_thread(
        self, scope: Scope, call: Coroutine[Any, Any, Any], waiting: concurrent.futures.Future[Any]
    ) -> None:
        if scope.closed or self._stopped:
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

    def _known(self, scope: Scope, path: str, value: Any, error: JobFailed | None) -> Triggered[Any]:
        """A call whose result is stored."""
        future: asyncio.Future[Any] | concurrent.futures.Future[Any]
        future = self._loop.create_future() if _on_loop(self._loop) else concurrent.futures.Future()
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
            future.exception()  # it may never be looked at
        return Triggered(future, scope, path)


def _ended(scope: Scope) -> Callable[[asyncio.Task[Any]], None]:
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
