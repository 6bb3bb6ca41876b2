"""Threads for plain jobs.

The standard pool is not used: it keeps an ending process alive until the last of its threads has returned, though a
plain job may sleep for an hour; and it can count a busy thread as idle, which is for ever when a job waits for another.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class JobThreads(Executor):
    """Daemon threads, as many as there are plain jobs under way: one that waits for another holds its thread."""

    def __init__(self) -> None:
        self._work: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._idle = 0
        self._begun = 0
        self._closed = False

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Run it on a thread that is idle, else on a new one. Raises RuntimeError after the end."""
        future: Future[R] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - whoever waits gets it
                future.set_exception(error)
            else:
                future.set_result(result)

        with self._changed:
            if self._closed:
                raise RuntimeError("this worker has stopped")
            self._work.append(work)
            if self._idle >= len(self._work):
                self._changed.notify()
            else:
                self._begun += 1
                threading.Thread(target=self._serve, name=f"hub-job-{self._begun}", daemon=True).start()
        return future

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - it never waits
        """Let each thread go as soon as it is idle."""
        with self._changed:
            self._closed = True
            self._work.clear()
            self._changed.notify_all()

    def _serve(self) -> None:
        while (work := self._next()) is not None:
            work()

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._work:
                if self._closed:
                    return None
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            return self._work.popleft()
