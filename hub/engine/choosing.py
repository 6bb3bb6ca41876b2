"""The first of several waits, or all of them: signals, wait points, sleeps and other executions."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from hub.engine import replay
from hub.engine.scope import Call, Scope
from hub.engine.triggered import Triggered
from hub.model.errors import BadInput, JobFailed
from hub.model.execution import Checkpoint, JobStatus
from hub.model.values import canonical, digest, parse
from hub.model.wait import Choice

if TYPE_CHECKING:
    from hub.engine.runner import Run

_WAITS = ("wait:", "invoke:")


class First(NamedTuple):
    """The one that came first: under which name it was given, and what it gave."""

    name: str
    value: Any


class FirstOf:
    """The first of several, once there is one. Await it in an async job; call `.result()` in a plain one."""

    def __init__(self, chosen: Triggered[str], alternatives: Mapping[str, Triggered[Any]]) -> None:
        self._chosen = chosen
        self._alternatives = alternatives
        self._names = {one.path: name for name, one in alternatives.items()}

    def __await__(self) -> Generator[Any, None, First]:
        name = self._names[(yield from self._chosen.__await__())]
        return First(name, (yield from self._alternatives[name].__await__()))

    def result(self) -> First:
        """Wait for it in a plain job. Raises what the first one failed with."""
        name = self._names[self._chosen.result()]
        return First(name, self._alternatives[name].result())


class AllOf:
    """All of several. Await it in an async job; call `.result()` in a plain one."""

    def __init__(self, alternatives: Mapping[str, Triggered[Any]]) -> None:
        self._alternatives = alternatives

    def __await__(self) -> Generator[Any, None, dict[str, Any]]:
        found: dict[str, Any] = {}
        failed: list[JobFailed] = []
        for name, one in self._alternatives.items():
            try:
                found[name] = yield from one.__await__()
            except JobFailed as error:
                failed.append(error)
        return _unless(failed, found)

    def result(self) -> dict[str, Any]:
        """Wait for them in a plain job. When all have ended it raises the failure of the first that failed, as given."""
        found: dict[str, Any] = {}
        failed: list[JobFailed] = []
        for name, one in self._alternatives.items():
            try:
                found[name] = one.result()
            except JobFailed as error:
                failed.append(error)
        return _unless(failed, found)


def _unless(failed: list[JobFailed], found: dict[str, Any]) -> dict[str, Any]:
    if failed:
        raise failed[0]
    return found


def first_of(scope: Scope, alternatives: Mapping[str, Triggered[Any]]) -> FirstOf:
    """Which of these waits ends first is stored, so that a replay comes to the same one."""
    run = scope.run
    run.refuse_if_stopped()
    if not alternatives:
        raise BadInput("first() needs at least one wait, by name: first(paid=…, late=…).")
    for name, one in alternatives.items():
        if not isinstance(one, Triggered) or not any(part.startswith(_WAITS) for part in one.path.split("/")):
            raise BadInput(
                f"{name} is not a wait: first() takes signals, wait points, sleeps, invoked workflows and other executions."
            )
    run.calls.caught(scope)
    path = scope.next_path(f"first:{','.join(alternatives)}")
    args = canonical({name: one.path for name, one in alternatives.items()})
    call = Checkpoint(path, path.rpartition("/")[2], JobStatus.WAITING, args, digest(args), number=next(run.numbers))
    decision = run.decide(call)
    if isinstance(decision, replay.GiveBack):
        return FirstOf(run.launcher.known(scope, path, parse(decision.result)), alternatives)
    chosen = run.launcher.begin(scope, path, lambda made: _choose(run, made, call, list(alternatives.values())))
    return FirstOf(chosen, alternatives)


async def _choose(run: Run, made: Call, call: Checkpoint, alternatives: list[Triggered[Any]]) -> str:
    """Ask the store whenever one of them has opened or ended, until it says which was the first."""
    changed = asyncio.Event()
    for one in alternatives:
        one.listen(changed.set)
    asked: list[tuple[bool, bool]] = []
    choice = Choice(
        run.claimed.id,
        run.claimed.epoch,
        call.path,
        call.name,
        call.args,
        call.args_hash,
        run.now(),
        tuple(one.path for one in alternatives),
        call.number,
    )
    while True:
        changed.clear()
        states = [(one.done(), one.is_open) for one in alternatives]
        if states != asked and all(done or is_open for done, is_open in states):
            asked = states
            chosen = await run.durably(run.tools.store.choose(choice))
            if chosen is not None:
                run.waits.wake()
                return chosen
        made.open_wait = True
        run.waits.look()
        await changed.wait()
        made.open_wait = False
