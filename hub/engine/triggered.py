"""What `.trigger()` hands back: a durable call under way."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

from hub.engine.scope import Call, OutsideJob, Scope, current_or
from hub.model.errors import JobFailed

Out = TypeVar("Out", covariant=True)  # noqa: PLC0105 - it is the job's output, and is called so


class Triggered(Generic[Out]):
    """A call that has begun. Await it in an async job; call `.result()` in a plain one."""

    __slots__ = ("_call", "_scope")

    def __init__(self, scope: Scope, call: Call) -> None:
        self._scope = scope
        self._call = call

    def __await__(self) -> Generator[Any, None, Out]:
        call, scope = self._call, self._scope
        future = call.future
        if isinstance(future, concurrent.futures.Future):
            raise OutsideJob("this is a plain job: call .result() instead of await.")
        blocked = current_or(scope)
        self._block(blocked)
        found: Out
        try:
            if future is None:
                found = yield from scope.run.launcher.first_awaited(scope, call)
            else:
                found = yield from future.__await__()
        except JobFailed:
            self._failed()
            raise
        finally:
            blocked.awaited.discard(call)
        return found

    def result(self) -> Out:
        """Wait for it in a plain job. Raises what the job raised."""
        future = self._call.future
        if not isinstance(future, concurrent.futures.Future):
            raise OutsideJob("this is an async job: write `await` instead of .result().")
        self._block(self._scope)
        try:
            found: Out = future.result()
        except JobFailed:
            self._failed()
            raise
        finally:
            self._scope.awaited.discard(self._call)
        return found

    async def arrived(self) -> Out:
        """Wait for it in a call of the engine's own, which runs on the loop whichever thread the job is on."""
        future = self._call.future
        if isinstance(future, concurrent.futures.Future):
            found: Out = await asyncio.wrap_future(future)
            return found
        return await self

    def done(self) -> bool:
        return self._call.future is not None and self._call.future.done()

    @property
    def path(self) -> str:
        """Where this call stands in the execution."""
        return self._call.path

    @property
    def is_open(self) -> bool:
        """Whether it waits, and what it waits for has not come."""
        return self._call.open_wait

    def listen(self, heard: Callable[[], None]) -> None:
        """Have `heard` called when it begins to wait, and when it has ended. On the run's loop."""
        self._call.heard = heard
        future = self._call.future or self._scope.run.launcher.start(self._scope, self._call)
        future.add_done_callback(lambda _future: heard())

    def _block(self, scope: Scope) -> None:
        if self._call.pending:
            scope.awaited.add(self._call)
            scope.run.waits.look()

    def _failed(self) -> None:
        """The caller has the error now; whether it catches it shows later."""
        self._scope.unseen.pop(self._call.path, None)
        self._scope.failures.append(self._call.path)
