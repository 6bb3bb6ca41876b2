"""Whether jobs do nothing but wait, so that only time can bring anything new."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hub.engine.runner import Run
from hub.engine.scope import Scope


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
