"""Begins calls on the loop of their run, whichever thread asks, and hands back what the caller can wait for."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from hub.engine.scope import Call, Scope, Unwind
from hub.engine.triggered import Triggered
from hub.model.errors import JobFailed, NotChosen

if TYPE_CHECKING:
    from hub.engine.runner import Run


class Launcher:
    """Of one run, in one loop."""

    def __init__(self, run: Run, loop: asyncio.AbstractEventLoop) -> None:
        self._run = run
        self._loop = loop

    def begin(self, scope: Scope, path: str, work: Callable[[Call], Coroutine[Any, Any, Any]]) -> Triggered[Any]:
        """Begin a call now, on the run's loop, whichever thread asks."""
        call = Call(path, pending=True)
        scope.calls.add(call)
        if _on_loop(self._loop):
            return Triggered(self._task(scope, call, work(call)), scope, call)
        waiting: concurrent.futures.Future[Any] = concurrent.futures.Future()
        body = work(call)
        try:
            self._loop.call_soon_threadsafe(self._task_for_thread, scope, call, body, waiting)
        except RuntimeError:  # the loop is gone, this thread is left over
            body.close()
            raise Unwind from None
        return Triggered(waiting, scope, call)

    def _task(self, scope: Scope, call: Call, body: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        # Made directly, not by the loop's factory: an engine's task is no branch of the user's.
        task = asyncio.Task(body, loop=self._loop)
        scope.children.add(task)
        task.add_done_callback(_forgetter(scope, call))
        return task

    def _task_for_thread(
        self, scope: Scope, call: Call, body: Coroutine[Any, Any, Any], waiting: concurrent.futures.Future[Any]
    ) -> None:
        if scope.closed or self._run.stopped:
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
        return Triggered(future, scope, Call(path, pending=False))

    def failed_before(self, scope: Scope, path: str, error: JobFailed) -> Triggered[Any]:
        """A call whose failure is stored."""
        future = self._future()
        future.set_exception(error)
        future.exception()  # it may never be looked at
        if not isinstance(error, NotChosen):
            scope.unseen[path] = error
        return Triggered(future, scope, Call(path, pending=False))

    def _future(self) -> asyncio.Future[Any] | concurrent.futures.Future[Any]:
        return self._loop.create_future() if _on_loop(self._loop) else concurrent.futures.Future()


def _forgetter(scope: Scope, call: Call) -> Callable[[asyncio.Task[Any]], None]:
    def forget(task: asyncio.Task[Any]) -> None:
        scope.children.discard(task)
        scope.calls.discard(call)
        call.pending = False
        scope.run.waits.look()
        if not task.cancelled():
            task.exception()

    return forget


def _on_loop(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
