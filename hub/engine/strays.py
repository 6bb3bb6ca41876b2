"""Jobs that do not let themselves be stopped: their outcome is recorded all the same, and what still runs is left alone.

An `async def` job is taken down by a cancellation, which `except BaseException` can catch for ever; a `def` job has a thread, which
nobody can stop. Either has a moment to come to its end. Then it is a stray: nobody waits for it, its durable calls are refused, and
what it gives back is not taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any

from hub.engine.scope import Scope
from hub.model.durations import spoken
from hub.model.errors import JobTimeout

#: Seconds that a job has to come to its end, once it has been told to.
GRACE = 2.0


async def within(timeout: int, scope: Scope, body: Coroutine[Any, Any, Any]) -> Any:  # noqa: ASYNC109 - it is the job's, in milliseconds
    """Await a job's body, in a task of its own, so that it can be left alone. Raises JobTimeout when its time is up."""
    task = asyncio.Task(_outcome(body), loop=scope.run.loop)
    try:
        await asyncio.wait([task], timeout=timeout / 1000)
        if not task.done():
            await _take_down(task, scope)
            raise JobTimeout("JobTimeout", f"it ran longer than {spoken(timeout)}")
    except asyncio.CancelledError:
        if not task.cancelling():
            await _take_down(task, scope)
        raise
    result, error = task.result()
    if error is None:
        return result
    try:
        raise error
    finally:
        del task, error  # each holds this frame


async def on_thread(scope: Scope, work: Callable[[], Any]) -> Any:
    """Await a plain job, on a thread. When that is cancelled, the thread goes on."""
    working = scope.run.tools.threads.submit(work)
    try:
        return await asyncio.wrap_future(working)
    except asyncio.CancelledError:
        if working.running():
            scope.run.loop.call_later(GRACE, _look_after, scope, working)
        raise


def leave(scope: Scope) -> None:
    """Leave alone what runs in a scope and below, and say once which jobs do."""
    for one in list(_with_those_below(scope)):
        if one.stray:
            continue
        one.close(abandoned=True)
        one.stray = True
        for call in one.children:
            call.cancel()
        if one.task is not None and not any(call.pending for call in one.awaited):
            _tell(
                one,
                "it catches the CancelledError that is to stop it (let that pass: write `except Exception:` in place of `except:`)",
            )


async def _take_down(task: asyncio.Task[Any], scope: Scope) -> None:
    task.cancel()
    try:
        await asyncio.wait([task], timeout=GRACE)
    finally:
        if not task.done():
            leave(scope)


async def _outcome(body: Coroutine[Any, Any, Any]) -> tuple[Any, BaseException | None]:
    """The result, or the error: some of them, raised by a task, would end its loop."""
    try:
        return await body, None
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised again
        return None, error


def _look_after(scope: Scope, working: Future[Any]) -> None:
    if working.running():
        _tell(scope, "nobody can stop its thread")


def _tell(scope: Scope, why: str) -> None:
    assert scope.job is not None
    scope.run.keep_line(
        scope.path,
        "WARNING",
        f"the job {scope.job.name} ({scope.job.where}) goes on although it was to end: {why}. What it does from now on is not stored.",
    )


def _with_those_below(scope: Scope) -> Iterator[Scope]:
    yield scope
    for branch in scope.branches:
        yield from _with_those_below(branch)
    for call in scope.calls:
        if call.scope is not None:
            yield from _with_those_below(call.scope)
