"""Waking: somebody rings, a loop goes on. Rings that come together are one."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from itertools import count

from hub.model.clock import Clock


class Waker:
    """Wakes one loop from any thread."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rung = False

    def bind(self) -> None:
        """The running loop is the one to wake."""
        self._loop = asyncio.get_running_loop()
        if self._rung:
            self._event.set()

    def ring(self) -> None:
        """Wake it, now or when it next waits. From any thread."""
        if self._rung:
            return
        self._rung = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, seconds: float) -> bool:
        """Until somebody rings or the time is up; whether somebody rang."""
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        self._rung = False
        return True


class Gate:
    """Whether effects may begin: closed while a node cannot say that its lease still holds. For one loop.

    It shuts by the clock and not by a timer: a process that stood still meets it shut when it wakes, whatever runs first.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = math.inf
        self._opened = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def open(self) -> bool:
        return self._clock.monotonic() < self._until

    def open_until(self, moment: float) -> None:
        """Until then, in seconds of the monotonic clock. From any thread."""
        self._until = moment
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._opened.set)

    async def passed(self) -> None:
        """Return at once when it is open, else when it opens."""
        while not self.open:
            self._loop = asyncio.get_running_loop()
            self._opened.clear()
            if not self.open:
                await self._opened.wait()


class Doubt:
    """Whether a cancel may have been committed that this process has not acted upon yet. From any thread.

    Cancels are counted, before they commit. While the count differs from the one that the last sweep began with, no try begins
    before the store has confirmed its claim, behind any transaction that was under way.
    """

    def __init__(self, foretold: Callable[[], int] = lambda: 0) -> None:
        """`foretold` is the count of cancels that are about to be committed, in whatever process."""
        self._foretold = foretold
        self._raised = count(1)
        self._last = 0
        self._settled = foretold()

    @property
    def open(self) -> bool:
        return self._last + self._foretold() != self._settled

    def rise(self) -> None:
        self._last = next(self._raised)

    def look(self) -> int:
        """What to `settle` with, once everything that was cancelled by now has been stopped."""
        return self._last + self._foretold()

    def settle(self, looked: int) -> None:
        self._settled = looked
