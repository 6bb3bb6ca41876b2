"""Memory that a burst of work has left goes back to the system once there is rest.

The C library keeps what is freed, in case it is asked for again: after a hundred thousand executions were parked that is
tens of megabytes of nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
from collections.abc import Callable

_REST_SECONDS = 60.0


def let_memory_go() -> None:
    """Collect what is left over, and return what is free. Only the GNU library can be asked to; elsewhere it does by itself."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class Tidying:
    """Looks once a minute whether nothing runs."""

    def __init__(self, running: Callable[[], int]) -> None:
        self._running = running

    def run_once(self) -> int:
        """Whether there was rest: 1 or 0."""
        if self._running():
            return 0
        let_memory_go()
        return 1

    async def serve(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REST_SECONDS):
                    await stop.wait()
                    return
            self.run_once()
