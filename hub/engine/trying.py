"""Tries of a job, until it succeeds or fails for good."""

from __future__ import annotations

import asyncio
import inspect
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub.engine import failures, pausing, retry, strays
from hub.engine.called import Called
from hub.engine.context import Context
from hub.engine.job import Job
from hub.engine.part import Part
from hub.engine.scope import Scope, Unwind, enter
from hub.engine.stepping import stepped
from hub.model.errors import BadInput, JobTimeout
from hub.model.execution import Checkpoint, JobStatus
from hub.store.results import ResultKnown

if TYPE_CHECKING:
    from hub.engine.runner import Run

MOST_RESULT = 16_777_216


#: Milliseconds that a job rests in this process before its next try; a longer rest is durable.
_LONGEST_NAP = 5_000
#: And where its target has a budget: of what was booked, a process that ends lets no more than this begin at once.
_LONGEST_BOOKED_NAP = 1_000


@dataclass(slots=True)
class Ended:
    """A job that succeeded, or failed for good. Not stored yet."""

    checkpoint: Checkpoint
    #: Its result as a replay would rebuild it.
    value: Any = None
    failure: BaseException | None = None


class Trying(Part):
    """How the jobs of one run are tried."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        #: Calls that wait for their next try.
        self._resting: set[asyncio.Task[Any] | None] = set()
        #: The store has said that the claim holds, after the cancel of this number.
        self._undoubted = -1
        #: How many tries of each call have begun. One that its caller's timeout took down has not ended, and counts.
        self._tries: dict[str, int] = {}
        #: Of calls whose last try has failed: what that called.
        self._targets: dict[str, str] = {}

    async def until_ended(self, called: Called, attempts: int) -> Ended:
        """Try a job until it succeeds or fails for good; so many tries of it there were before."""
        run, clock, job, call, parent = self._run, self._run.tools.clock, called.job, called.call, called.parent
        path = call.path
        stored = run.history.get(path)
        if called.made is not None and stored is not None and stored.status is JobStatus.WAITING:
            await pausing.rest_on(run, called, stored)
        attempts = max(attempts, self._tries.get(path, 0))
        while True:
            attempts += 1
            # The main job's tries are counted by the claim. Where no policy says how many there may be, a first one is noted soon
            # after it has begun: to wait for that would double what a quick job costs.
            noted = parent is None or (attempts == 1 and job.retry is None and not job.at_most_once)
            if not noted and not run.tools.gate.open:
                await self._until_it_may(None)
            mark = _begun(call, attempts, clock.now(), run.claimed.epoch)
            self._tries[path] = attempts
            if noted:
                run.tools.store.mark(run.write(mark))
            else:
                run.calls.forget_failures(path)
                await run.durably(run.tools.store.begin(run.write(mark)))
            if not self._may_begin():
                await self._until_it_may(mark)
            try:
                text, result = await self._try(called, mark)
            except (Unwind, KeyboardInterrupt):
                raise
            except BaseException as error:  # whatever a job raises is its failure, sys.exit() too
                if self._was_taken_down(parent, error):
                    raise
                self._refuse_if_over(parent)
                run.calls.raised_after_all(error, path)
                if parent is not None and not parent.closed and retry.may_retry(job.retry, error, attempts - 1):
                    await self._rest(called, attempts, error)
                    called.value = job.input.load(call.args)  # the last try may have changed it
                    continue
                described = failures.dump(run.hidden(failures.describe(error, job.name, path)))
                return Ended(_ended(mark, JobStatus.FAILED, None, described, clock.now()), failure=error)
            self._refuse_if_over(parent)
            return Ended(_ended(mark, JobStatus.SUCCESS, text, None, clock.now()), result)

    def _may_begin(self) -> bool:
        """Whether a job may begin at this moment: the claim and the lease hold, and no cancel is in doubt. From any thread."""
        run, tools = self._run, self._run.tools
        return not run.stopped and tools.gate.open and (not tools.doubt.open or tools.doubt.look() == self._undoubted)

    async def _until_it_may(self, mark: Checkpoint | None) -> None:
        """Wait for the lease, then have the store say that the claim holds; without a mark that is left for later.

        Meanwhile another node may have taken the execution over, or somebody may have cancelled it.
        """
        run, doubt = self._run, self._run.tools.doubt
        while True:
            await run.tools.gate.passed()
            run.refuse_if_stopped()
            if mark is None or self._may_begin():
                return
            looked = doubt.look()
            await run.durably(run.tools.store.checkpoint(run.write(mark)))
            self._undoubted = looked

    async def _rest(self, called: Called, attempts: int, error: BaseException) -> None:
        """A short rest is slept through; a longer one stands in the store, and the execution may be parked meanwhile."""
        job, call, made = called.job, called.call, called.made
        assert job.retry is not None
        assert made is not None
        run, now = self._run, self._run.now()
        wait = retry.wait_before(job.retry, attempts - 1, f"{run.claimed.id}/{call.path}", error, now)
        wait = self.when_again(error, call.path, now + wait, now) - now
        longest = _LONGEST_NAP if self._target_behind(error, call.path) is None else _LONGEST_BOOKED_NAP
        # One that runs in the task of another is not taken down by itself.
        task = asyncio.current_task() if made.depth == 0 else None
        self._resting.add(task)
        try:
            if wait <= longest:
                await run.tools.clock.sleep(wait / 1000)
            else:
                trouble = failures.dump(run.hidden(failures.describe(error, job.name, call.path)))
                await pausing.rest(run, called, attempts, now + wait, trouble)
        finally:
            self._resting.discard(task)

    def when_again(self, error: BaseException, path: str, due: int, now: int) -> int:
        """When a call that failed with this is due again, if what it called has room for another try then."""
        target = self._target_behind(error, path)
        return due if target is None else self._run.tools.budgets.book(target, due, now)

    def _target_behind(self, error: BaseException, path: str) -> str | None:
        """What was called last by the call at `path`, or by one below with whose error it failed."""
        return next((self._targets[one] for one in (path, *failures.calls_behind(error)) if one in self._targets), None)

    def _refuse_if_over(self, parent: Scope | None) -> None:
        """How a job ended does not count when the claim is over, or its caller has been left alone."""
        if self._is_over(parent):
            raise Unwind

    def _is_over(self, parent: Scope | None) -> bool:
        return self._run.stopped or (parent is not None and parent.stray)

    def _was_taken_down(self, parent: Scope | None, error: BaseException) -> bool:
        """Whether it was not the job that failed, but somebody who took it down."""
        if isinstance(error, GeneratorExit):  # what is left of a loop that has ended, or of a stray, is being closed
            return self._is_over(parent) or not self._run.loop.is_running()
        task = asyncio.current_task()
        return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0

    async def _try(self, called: Called, mark: Checkpoint) -> tuple[str, Any]:
        """One try of a job; its result as JSON text, and as a replay would rebuild it."""
        run, path, job, made = self._run, mark.path, called.job, called.made
        scope = Scope(run, path)
        scope.job, scope.once = job, job.at_most_once
        if made is None:
            run.root = scope
        else:
            made.scope, scope.depth = scope, made.depth if job.timeout is None else 0

        context = Context(run, job, mark, called.value)
        try:
            body = self._body(called, scope, context, mark)
            result = await (body if job.timeout is None else strays.within(job.timeout, scope, body))
            committed = context.committed
            text, rebuilt = self.dump(job, result) if committed is None else (committed, job.output.load(committed))
        except ResultKnown as known:
            await self._close(scope, known)
            return known.text, job.output.load(known.text)
        except BaseException as error:
            if context.target is not None:
                self._targets[path] = context.target
            await self._close(scope, error)
            if context.committed is None or not isinstance(error, Exception):
                raise
            # Its result is out in the world, with its writes: no later trouble takes that back.
            run.keep_line(path, "WARNING", f"after its transaction was committed: {type(error).__name__}: {error}")
            return context.committed, job.output.load(context.committed)
        scope.close(abandoned=False)
        return text, rebuilt

    def dump(self, job: Job[Any, Any], result: Any) -> tuple[str, Any]:
        """A job's result as JSON text, and as a replay would rebuild it. Raises what its shape raises."""
        text, rebuilt = job.output.dump(result)
        refuse_large("result is", text, MOST_RESULT)
        self._run.surroundings.hiding.refuse("the result is", text)
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
                await asyncio.wait(scope.children, timeout=strays.GRACE if taken_down else None)
                if taken_down and scope.children:
                    strays.leave(scope)
                    break
        except asyncio.CancelledError:
            for child in scope.children:
                child.cancel()
            raise

    async def _body(self, called: Called, scope: Scope, context: Context, mark: Checkpoint) -> Any:
        """The job itself, and the calls that it did not wait for."""
        job, value = called.job, called.value
        variables = copy_context()
        variables.run(enter, scope)
        scope.task = asyncio.current_task()
        try:
            if job.is_async:
                # The last thing before the job's first line. A task of its own begins a turn of the loop later.
                if (self._run.tools.doubt.open or job.timeout is not None) and not self._may_begin():
                    await self._until_it_may(mark)
                result = await stepped(scope, job.invoke(value, context), variables)
            else:
                scope.plain = True
                loop = asyncio.get_running_loop()

                def in_thread() -> Any:
                    if not self._may_begin():  # it may have stood in line for its thread
                        self._run.refuse_if_stopped()
                        asyncio.run_coroutine_threadsafe(self._until_it_may(mark), loop).result()
                    return variables.run(_invoked, job, value, context)

                result = await strays.on_thread(scope, in_thread)
                if inspect.iscoroutine(result):  # of an async function that it called, as a lambda does
                    scope.plain = False
                    result = await stepped(scope, result, variables)
        finally:
            scope.task = None  # it holds what took it down, and with that every frame
            if context.holds_client:
                await stepped(scope, context.let_go(), variables)
        while scope.children:
            scope.awaited |= scope.calls
            self._run.waits.look()
            await asyncio.wait(scope.children)
        if scope.unseen:
            # Nobody looked: the same whether it failed before the job's end or after.
            raise scope.unseen[min(scope.unseen)]
        return result


def _invoked(job: Job[Any, Any], value: Any, context: Context) -> Any:
    """A plain job, on its thread."""
    try:
        return job.invoke(value, context)
    except (StopIteration, GeneratorExit, KeyboardInterrupt) as error:
        # In the loop each of them would mean something else. Python itself does so for coroutines (PEP 479).
        raise RuntimeError(f"the job raised {type(error).__name__}") from error


def _begun(call: Checkpoint, attempts: int, now: int, epoch: int) -> Checkpoint:
    """The call as a try of it begins. In order, which takes a third of the time that `_replace` does."""
    path, name, _, args, args_hash, _, _, _, _, _, _, _, number = call
    return Checkpoint(
        path, name, JobStatus.RUNNING, args, args_hash, None, None, attempts, False, now, None, epoch, number
    )


def _ended(mark: Checkpoint, status: JobStatus, result: str | None, error: str | None, now: int) -> Checkpoint:
    """The call as that try ends."""
    path, name, _, args, args_hash, _, _, attempts, _, began, _, epoch, number = mark
    return Checkpoint(path, name, status, args, args_hash, result, error, attempts, False, began, now, epoch, number)


def refuse_large(what: str, text: str, most: int) -> None:
    if len(text) > most:
        raise BadInput(f"the {what} {len(text):,} characters of JSON; at most {most:,} can be stored.")
