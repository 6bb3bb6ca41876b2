"""An event loop in which time is a number, and hosts whose work can be stopped, thrown away, or let go on.

Every callback belongs to the host in whose context it was scheduled. A dead host's callbacks are dropped, a frozen one's
are kept until it thaws: just what `kill -9` and SIGSTOP do to a process.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any

_host: ContextVar[Host | None] = ContextVar("simulated_host", default=None)


class Stuck(Exception):
    """Nothing is scheduled any more, and somebody still waits."""


class Host:
    """A process, as far as its loop can tell."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.frozen = False
        #: When it last went on, in virtual seconds.
        self.thawed_at = 0.0
        #: What would have run while it was frozen.
        self._kept: list[tuple[Callable[..., object], tuple[Any, ...], Context]] = []
        self.context = Context()
        self.context.run(_host.set, self)

    def die(self) -> None:
        self.alive = False
        self._kept.clear()

    def keep(self, callback: Callable[..., object], args: tuple[Any, ...], context: Context) -> None:
        self._kept.append((callback, args, context))

    def thaw(self, loop: SimulatedLoop) -> None:
        self.frozen = False
        self.thawed_at = loop.time()
        kept, self._kept = self._kept, []
        for callback, args, context in kept:
            loop.call_soon(callback, *args, context=context)


def current_host() -> Host | None:
    """The host of what runs now; None: the world around them."""
    return _host.get()


class _Leaper:
    """Stands for the selector: nobody waits, time leaps to the next timer."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[object]:
        if timeout is None:
            raise Stuck
        if timeout > 0:
            self._loop.leap()
        return []


class SimulatedLoop(asyncio.BaseEventLoop):
    """asyncio's own loop without sockets, threads or time."""

    def __init__(self) -> None:
        super().__init__()
        self._seconds = 0.0
        self._selector = _Leaper(self)
        self._over = False
        self.slow_callback_duration = float("inf")

    def time(self) -> float:
        return self._seconds

    def leap(self) -> None:
        """It is when the next timer is due."""
        scheduled = self._scheduled  # type: ignore[attr-defined]  # asyncio's own heap
        if scheduled:
            self._seconds = max(self._seconds, scheduled[0]._when)

    def begin(self, host: Host, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run it on that host."""
        return asyncio.Task(work, loop=self, context=host.context.copy())

    def sweep_up(self) -> None:
        """Throw away what dead hosts have left behind, without letting any of it run."""
        self._over = True
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            # What it would still do is of no interest: nothing that it schedules ever runs.
            with contextlib.suppress(BaseException):
                task.get_coro().close()  # type: ignore[union-attr]
        self.set_exception_handler(lambda _loop, _context: None)

    # --- what asyncio calls

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        host = _host.get() if context is None else context.get(_host)
        if self._over:
            return asyncio.Handle(callback, args, self, context)
        if host is None:
            return super().call_soon(callback, *args, context=context)
        context = copy_context() if context is None else context
        return super().call_soon(self._on, host, callback, args, context, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> asyncio.TimerHandle:
        host = _host.get() if context is None else context.get(_host)
        if self._over:
            return asyncio.TimerHandle(when, callback, args, self, context)
        if host is None:
            return super().call_at(when, callback, *args, context=context)
        context = copy_context() if context is None else context
        return super().call_at(when, self._on, host, callback, args, context, context=context)

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def _on(self, host: Host, callback: Callable[..., object], args: tuple[Any, ...], context: Context) -> None:
        if not host.alive:
            return
        if host.frozen:
            host.keep(callback, args, context)
        else:
            callback(*args)

    def _process_events(self, event_list: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps."""
