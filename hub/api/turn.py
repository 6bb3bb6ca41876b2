"""Requests that came in one turn of the loop, taken one behind the other at its end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

#: So many in one go; connections are read again before the next ones.
_MOST = 64


class Turn:
    """uvloop lets go of the interpreter's lock behind each callback, and takes it back a microsecond later.

    A thread that waits for it, as the store's writer does several times a batch, is woken each time and comes too late
    each time. In one long callback it is given the lock when its patience is over.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[Callable[[Any], None], Any]] = deque()

    def add(self, loop: asyncio.AbstractEventLoop, begin: Callable[[Any], None], request: Any) -> None:
        """`begin(request)` is called soon, in the order in which they were added."""
        if not self._waiting:
            loop.call_soon(self._take, loop)
        self._waiting.append((begin, request))

    def _take(self, loop: asyncio.AbstractEventLoop) -> None:
        waiting = self._waiting
        for _ in range(min(_MOST, len(waiting))):
            begin, request = waiting.popleft()
            begin(request)
        if waiting:
            loop.call_soon(self._take, loop)
