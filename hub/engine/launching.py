"""Begins calls on the loop of their run, whichever thread asks, and hands back what the caller can wait for.

A job that awaits what it has just called runs it in its own task: a task for each would take longer than what most of them
do. What it has called and does not await begins, in tasks, as soon as the job comes to a halt.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any

from hub.engine.scope import Call, Scope, Unwind, Work
from hub.engine.triggered import Triggered
from hub.model.errors import JobFailed, NotChosen

#: So many calls share a task, one inside the other: whatever wakes the innermost goes through the frames of all.
_DEEPEST = 4


class Launcher:
    """Of one run, in its loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def begin(self, scope: Scope, path: str, work: Work) -> Triggered[Any]:
        """Begin a call, on the run's loop, whichever thread asks."""
        call = Call(path, work)
        scope.calls.add(call)
        if not _on_loop(self._loop):
            self._begin_for_thread(scope, call)
        elif scope.at_work:
            scope.held.append(call)
        else:
            self.start(scope, call)
        return Triggered(scope, call)

    def start(self, scope: Scope, call: Call) -> asyncio.Task[Any]:
        """Begin a call in a task of its own."""
        task = call.future = self._task(scope, call, call.begin())
        return task

    def start_held(self, scope: Scope) -> None:
        """The job has come to a halt: what it has called and nobody has awaited begins."""
        held, scope.held = scope.held, []
        for call in held:
            if call.future is None:
                self.start(scope, call)

    @coroutine
    def first_awaited(self, scope: Scope, call: Call) -> Generator[Any, None, Any]:
        """A call that is held is awaited, so by its job: run it in that one's task. Its future is for others that ask for it."""
        assert scope.task is not None
        if scope.depth == _DEEPEST or scope.task.cancelling():
            return (yield from self.start(scope, call))
        future = call.future = self._loop.create_future()
        call.depth = scope.depth + 1
        try:
            found = yield from call.begin()
        except Exception as error:
            if not future.done():
                future.set_exception(error)
                future.exception()  # it is raised here
            raise
        except BaseException:
            future.cancel()
            raise
        else:
            if not future.done():
                future.set_result(found)
            return found
        finally:
            _forget(scope, call)

    def _task(self, scope: Scope, call: Call, body: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        # Made directly, not by the loop's factory: an engine's task is no branch of the user's.
        task = asyncio.Task(body, loop=self._loop)
        scope.children.add(task)

        def forget(ended: asyncio.Task[Any]) -> None:
            scope.children.discard(ended)
            _forget(scope, call)
            if not ended.cancelled():
                ended.exception()

        task.add_done_callback(forget)
        return task

    def _begin_for_thread(self, scope: Scope, call: Call) -> None:
        waiting = call.future = concurrent.futures.Future()
        body = call.begin()
        try:
            self._loop.call_soon_threadsafe(self._task_for_thread, scope, call, body, waiting)
        except RuntimeError:  # the loop is gone, this thread is left over
            body.close()
            raise Unwind from None

    def _task_for_thread(
        self, scope: Scope, call: Call, body: Coroutine[Any, Any, Any], waiting: concurrent.futures.Future[Any]
    ) -> None:
        if scope.closed or scope.run.stopped:
            body.close()
            waiting.set_exception(Unwind())
            return

        def hand_over(task: asyncio.Task[Any]) -> None:
            if task.cancelled():
                waiting.set_exception(Unwind())
            elif (error := task.exception()) is not None:
                waiting.set_exception(error)
            else:
                waiting.set_result(task.result())

        self._task(scope, call, body).add_done_callback(hand_over)

    def known(self, scope: Scope, path: str, value: Any) -> Triggered[Any]:
        """A call whose result is stored."""
        future = self._future()
        future.set_result(value)
        return Triggered(scope, Call.ended(path, future))

    def failed_before(self, scope: Scope, path: str, error: JobFailed) -> Triggered[Any]:
        """A call whose failure is stored."""
        future = self._future()
        future.set_exception(error)
        future.exception()  # it may never be looked at
        if not isinstance(error, NotChosen):
            scope.unseen[path] = error
        return Triggered(scope, Call.ended(path, future))

    def _future(self) -> asyncio.Future[Any] | concurrent.futures.Future[Any]:
        return self._loop.create_future() if _on_loop(self._loop) else concurrent.futures.Future()


def _forget(scope: Scope, call: Call) -> None:
    scope.calls.discard(call)
    call.pending = False
    scope.run.waits.look()


def _on_loop(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
