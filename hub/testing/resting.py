"""The moment in which jobs do nothing but wait, so that only time can bring anything new."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from hub.engine.runner import Run
from hub.engine.scope import Scope
from hub.model.clock import SystemClock
from hub.model.errors import HubError
from hub.testing.virtual_time import VirtualTime

#: Real seconds that a plain job may take.
_LONGEST_PLAIN = 10.0
_REAL = SystemClock()


class Resting:
    """Waits for the engine of a test to come to rest.

    `patience`: real seconds for which a job may await something that the engine does not know.
    """

    def __init__(self, time: VirtualTime, runs: Callable[[], Iterable[Run]], patience: float) -> None:
        self._time = time
        self._runs = runs
        self._patience = patience
        #: Jobs that have used up the patience.
        self._hanging: set[Scope] = set()

    async def reached(self) -> None:
        """Nothing runs: the loop has nothing ready for the engine, no thread is at work, and nothing real is awaited.

        Raises HubError for a plain job that takes too long.
        """
        began = _REAL.monotonic()
        while True:
            before = self._time.activity
            await asyncio.sleep(0)
            going = [
                one for one in busy(self._runs(), self._time.sleepers()) if one.plain or one.scope not in self._hanging
            ]
            if self._time.activity != before:
                continue
            if not going:
                return
            waited = _REAL.monotonic() - began
            if waited > self._patience:
                self._hanging |= {one.scope for one in going if not one.plain}
            if waited > _LONGEST_PLAIN:
                raise HubError(
                    f"the plain job {going[0].name} took more than {_LONGEST_PLAIN:g} real seconds: mock it."
                )
            await asyncio.sleep(0.0005)


@dataclass(frozen=True, slots=True)
class Busy:
    """A job that is not blocked on a durable call."""

    scope: Scope
    #: It runs in a thread; otherwise it awaits something that the engine does not know: a socket, another task.
    plain: bool

    @property
    def name(self) -> str:
        return f"{self.scope.path} of execution {self.scope.run.claimed.id}"


def busy(runs: Iterable[Run], sleepers: set[Scope]) -> list[Busy]:
    """Jobs that go on by themselves."""
    return [found for run in runs if run.root is not None and not run.stopped for found in _below(run.root, sleepers)]


def _below(scope: Scope, sleepers: set[Scope]) -> Iterator[Busy]:
    if scope.closed:
        return
    for branch in list(scope.branches):
        yield from _below(branch, sleepers)
    for call in list(scope.calls):
        if call.scope is not None:
            yield from _below(call.scope, sleepers)
    if any(call.pending for call in list(scope.awaited)):
        return
    if scope.plain or not (scope.branches or scope in sleepers):
        yield Busy(scope, scope.plain)
