"""Virtual time: for what runs inside, time stands still until somebody moves it.

Inside are the engine and the jobs of one kit, told from other tasks of the same loop by a context variable. Their timers,
`asyncio.sleep` and `asyncio.timeout` among them, are kept here instead of in the loop.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

from hub.engine.scope import Scope, running
from hub.model.errors import HubError

R = TypeVar("R")

_inside: ContextVar[VirtualTime | None] = ContextVar("hub_virtual_time", default=None)

_PATCHED = ("time", "call_at", "call_soon", "call_soon_threadsafe")


@dataclass(order=True, slots=True)
class _Timer:
    #: Milliseconds since 1970 UTC, of virtual time.
    due: int
    number: int
    fire: Callable[[], object] = field(compare=False)
    cancelled: Callable[[], bool] = field(compare=False)
    #: The job that sleeps on it; None: nobody does nothing but that.
    sleeper: Scope | None = field(compare=False, default=None)


class VirtualTime:
    """A `Clock`, and the timers of one loop."""

    def __init__(self, now: int) -> None:
        self._began = self._now = now
        self._timers: list[_Timer] = []
        self._numbers = count()
        #: Moves when something inside is about to run.
        self._activity = count()
        self._seen = 0
        self._context = copy_context()
        self._context.run(_inside.set, self)
        self._loop: asyncio.AbstractEventLoop | None = None

    # --- the clock

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._began) / 1000

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._add(self._now + round(seconds * 1000), lambda: _wake(waiting), waiting.done)
        await waiting

    # --- moving it

    def next_due(self) -> int | None:
        """When the next timer is due."""
        while self._timers and self._timers[0].cancelled():
            heapq.heappop(self._timers)
        return self._timers[0].due if self._timers else None

    def move_to(self, now: int) -> None:
        """Set the time forward, and fire the timers that are due by then, in order."""
        self._now = max(now, self._now)
        while (due := self.next_due()) is not None and due <= self._now:
            heapq.heappop(self._timers).fire()

    def sleepers(self) -> set[Scope]:
        """Jobs that do nothing but sleep."""
        return {timer.sleeper for timer in self._timers if timer.sleeper is not None and not timer.cancelled()}

    # --- what runs inside

    async def inside(self, work: Coroutine[Any, Any, R]) -> R:
        """Run it, and what it begins, in virtual time."""
        return await asyncio.Task(work, loop=asyncio.get_running_loop(), context=self._context.copy())

    @property
    def activity(self) -> int:
        """A number that differs when something inside was scheduled meanwhile."""
        return self._seen

    def enter(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on, what runs inside in this loop takes its time from here. Raises HubError for a loop of another kind."""
        time, call_at, call_soon, threadsafe = (getattr(loop, name) for name in _PATCHED)

        def virtual_time() -> float:
            virtual = _inside.get()
            return time() if virtual is None else virtual.monotonic()

        def virtual_call_at(when: float, callback: Any, *args: Any, context: Context | None = None) -> Any:
            virtual = _inside.get()
            if virtual is None:
                return call_at(when, callback, *args, context=context)
            return virtual.call_at(loop, when, callback, args, context)

        def noted_call_soon(callback: Any, *args: Any, context: Context | None = None) -> Any:
            if (_inside.get() if context is None else context.get(_inside)) is not None:
                self._note()
            return call_soon(callback, *args, context=context)

        def noted_threadsafe(callback: Any, *args: Any, context: Context | None = None) -> Any:
            self._note()
            return threadsafe(callback, *args, context=context)

        try:
            for name, changed in zip(
                _PATCHED, (virtual_time, virtual_call_at, noted_call_soon, noted_threadsafe), strict=True
            ):
                setattr(loop, name, changed)
        except AttributeError:
            raise HubError(
                f"virtual time needs asyncio's own event loop, not {type(loop).__module__}: run the test with asyncio.run."
            ) from None
        self._loop = loop

    def leave(self) -> None:
        """Give the loop its own time back."""
        loop, self._loop = self._loop, None
        for name in _PATCHED if loop is not None else ():
            delattr(loop, name)

    def call_at(
        self, loop: asyncio.AbstractEventLoop, when: float, callback: Any, args: Any, context: Context | None
    ) -> asyncio.TimerHandle:
        """A timer of the loop, on this clock; `when` in seconds of `monotonic()`."""
        handle = asyncio.TimerHandle(when, callback, args, loop, context)
        context = copy_context() if context is None else context

        def run() -> None:
            if not handle.cancelled():
                callback(*args)

        # asyncio.sleep leaves a future to its timer; a timeout, beside which something else goes on, does not.
        sleeper = running() if any(isinstance(arg, asyncio.Future) for arg in args) else None
        due = self._began + math.ceil(round(when * 1000, 3))
        self._add(due, lambda: loop.call_soon(run, context=context), handle.cancelled, sleeper)
        return handle

    def _add(
        self, due: int, fire: Callable[[], object], cancelled: Callable[[], bool], sleeper: Scope | None = None
    ) -> None:
        heapq.heappush(self._timers, _Timer(due, next(self._numbers), fire, cancelled, sleeper))

    def _note(self) -> None:
        self._seen = next(self._activity)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
