"""Waits of a running execution, and the moment when it has nothing else to do and is parked.

A wait is asked of the store, which says whether it has ended: by an answer, a signal, the end of another execution, or its
deadline. While anything else runs, the open wait stays in this process; as soon as every job is blocked on open waits
the run takes itself down, and the store keeps what is needed to go on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hub.engine import failures, replay
from hub.engine.part import Part
from hub.engine.resolving import question, rebuilt
from hub.engine.scope import Call, Scope
from hub.engine.triggered import Triggered
from hub.model.clock import iso
from hub.model.errors import BadInput, Conflict, NotChosen
from hub.model.execution import Checkpoint, JobStatus
from hub.model.names import is_label
from hub.model.values import canonical, digest, parse
from hub.model.wait import Awaited, Patience, Resolution, Signal, WaitAnswer, WaitKind, WaitRequest, WaitState
from hub.store.waits import Park

if TYPE_CHECKING:
    from hub.engine.points import WaitPoint
    from hub.engine.runner import Run

_SHOWN = 3
#: How often the loop goes round before an execution is taken to be idle: what has just ended may wake a job by way of
#: several tasks, as in asyncio.wait or a TaskGroup, each a turn later.
_TURNS = 10


@dataclass(slots=True)
class _Open:
    """A wait that has not ended, as this process holds it."""

    request: WaitRequest
    changed: asyncio.Event


class Waits(Part):
    """The open waits of one run."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._open: dict[str, _Open] = {}
        self._looking = False
        #: What the run was parked on; empty while it goes on.
        self.parked_on: tuple[str, ...] = ()

    # --- what jobs ask for

    def wait_for_answer(
        self, scope: Scope, point: WaitPoint[Any, Any], asked: str, patience: Patience
    ) -> Triggered[Any]:
        """An answer to a wait point."""
        request = self._request(scope, point.name, Awaited(WaitKind.POINT, point.key, asked), patience)
        return self._begin(scope, replace(request, permission=point.permission), point.result.load)

    def sleep(self, scope: Scope, name: str, until: int) -> Triggered[None]:
        """Nothing but time, until an instant in milliseconds since 1970 UTC."""
        request = self._request(scope, name, Awaited(WaitKind.SLEEP, name), Patience(default="null"))
        return self._begin(scope, replace(request, deadline=until), lambda _text: None)

    def wait_for_signal(self, scope: Scope, name: str, patience: Patience, look_back: int | None) -> Triggered[Any]:
        """A signal of that name: one that nobody has taken, or one that comes. `look_back` in milliseconds."""
        request = self._request(scope, name, Awaited(WaitKind.SIGNAL, name), patience)
        since = None if look_back is None else request.now - look_back
        return self._begin(scope, replace(request, look_back=since), parse)

    def wait_for_execution(self, scope: Scope, execution_id: str, patience: Patience) -> Triggered[Any]:
        """The result of an execution that somebody else has started."""
        if execution_id == self._run.claimed.id:
            raise BadInput(f"execution {execution_id} cannot wait for its own end.")
        awaited = Awaited(WaitKind.EXECUTION, execution_id, canonical(execution_id))
        request = self._request(scope, "execution", awaited, patience)
        return self._begin(scope, request, parse)

    def wait_for_child(
        self, scope: Scope, call: Checkpoint, child: Triggered[str], load: Callable[[str], Any]
    ) -> Triggered[Any]:
        """The result of a child. One that failed in an earlier attempt of this execution is resumed first."""
        run = self._run
        stored = run.history.get(call.path)
        again = stored is not None and stored.status is JobStatus.FAILED

        async def work(made: Call) -> Any:
            execution_id = await child.arrived()
            if again:
                with contextlib.suppress(Conflict):
                    await run.asked(run.tools.store.resume(execution_id))
            awaited = Awaited(WaitKind.EXECUTION, execution_id, call.args)
            request = self._asked(call.path, call.name, awaited, Patience())
            return await self._wait(scope, made, replace(request, again=again, number=call.number), call, load)

        return run.launcher.begin(scope, call.path, work)

    def resolve(self, scope: Scope, point: WaitPoint[Any, Any], execution_id: str, answer: Any) -> Triggered[None]:
        """Answer another execution's wait point, once, also when this call is made again after a restart."""
        run = self._run
        path = scope.next_path(f"resolve:{point.key}")
        by = f"execution:{run.claimed.id}/{path}"

        async def send() -> None:
            given = answer
            if callable(answer):
                given = answer(await self._payload(point, execution_id))
            resolution = Resolution(execution_id, point.key, point.answer_text(given), run.now(), by, once=True)
            await run.asked(run.tools.store.resolve_wait(resolution))

        return run.launcher.begin(scope, path, lambda _call: send())

    def send_signal(
        self, scope: Scope, name: str, payload: Any, *, to_all: bool, execution_id: str | None
    ) -> Triggered[int]:
        """Send a signal, once; how many waiters it reached at once."""
        run = self._run
        if not is_label(name):
            raise BadInput(f'a signal is named by a text such as "paid", and not by {name!r}.')
        path = scope.next_path(f"send:{name}")
        run.surroundings.hiding.refuse("the signal is", canonical(payload))
        signal = Signal(f"{run.claimed.id}/{path}", name, canonical(payload), run.now(), to_all, execution_id)

        async def send() -> int:
            return await run.asked(run.tools.store.signal(signal))

        return run.launcher.begin(scope, path, lambda _call: send())

    # --- what the worker tells

    def wake(self) -> None:
        """Something was answered somewhere: ask the store again. On the run's loop."""
        for one in self._open.values():
            one.changed.set()

    @property
    def any_open(self) -> bool:
        return bool(self._open)

    def look(self) -> None:
        """Something stopped or began to wait: see soon whether anything is left to do. From any thread."""
        if self._open and not self._looking and not self._run.stopped:
            self._looking = True
            self._run.loop.call_soon_threadsafe(self._look, self._run)

    def parking(self) -> Park:
        """What the store is told once the run is down."""
        reasons = [_reason(self._open[path].request) for path in self.parked_on[:_SHOWN] if path in self._open]
        more = len(self.parked_on) - len(reasons)
        said = "; ".join(reasons) + (f"; and {more} more" if more > 0 and reasons else "")
        claimed = self._run.claimed
        return Park(claimed.id, claimed.epoch, self._run.now(), self.parked_on, said or "waiting", self._run.deadline)

    # --- inside

    def _request(self, scope: Scope, name: str, awaited: Awaited, patience: Patience) -> WaitRequest:
        self._run.refuse_if_stopped()
        if not is_label(name):
            raise BadInput(f'a wait is named by a text such as "pause", and not by {name!r}.')
        return self._asked(scope.next_path(f"wait:{name}"), name, awaited, patience)

    def _asked(self, path: str, name: str, awaited: Awaited, patience: Patience) -> WaitRequest:
        run = self._run
        now = run.now()
        return WaitRequest(
            execution_id=run.claimed.id,
            epoch=run.claimed.epoch,
            path=path,
            name=name,
            kind=awaited.kind,
            key=awaited.key,
            args=awaited.args,
            args_hash=digest(awaited.args),
            now=now,
            deadline=None if patience.within is None else now + patience.within,
            default=patience.default,
            number=next(run.numbers),
        )

    def _begin(self, scope: Scope, request: WaitRequest, load: Callable[[str], Any]) -> Triggered[Any]:
        run = self._run
        run.calls.caught(scope)
        call = Checkpoint(request.path, request.name, JobStatus.WAITING, request.args, request.args_hash)
        match run.decide(call):
            case replay.GiveBack(result):
                return run.launcher.known(scope, request.path, load(result))
            case replay.RaiseAgain(error):
                return run.launcher.failed_before(scope, request.path, failures.rebuild(error, request.path))
            case _:
                stored = run.history.get(request.path)
                again = stored is not None and stored.status is JobStatus.FAILED
                asked = replace(request, again=again)
                return run.launcher.begin(scope, request.path, lambda made: self._wait(scope, made, asked, call, load))

    async def _wait(
        self, scope: Scope, made: Call, request: WaitRequest, call: Checkpoint, load: Callable[[str], Any]
    ) -> Any:
        run = self._run
        answer = await self.until_ended(made, request)
        now = run.now()
        if answer.error is None:
            text = answer.result or "null"
            run.history[request.path] = call._replace(status=JobStatus.SUCCESS, result=text, finished_at=now)
            return load(text)
        error = failures.rebuild(answer.error, request.path)
        dropped = isinstance(error, NotChosen)
        run.history[request.path] = call._replace(
            status=JobStatus.FAILED,
            error=answer.error,
            handled=dropped,
            finished_at=now,
            epoch=run.claimed.epoch,
        )
        if not dropped:
            scope.unseen[request.path] = error
        raise error

    async def until_ended(self, made: Call, request: WaitRequest) -> WaitAnswer:
        """How a wait ended. The run may be parked and taken down before that."""
        run = self._run
        while True:
            answer = await run.durably(run.tools.store.wait(replace(request, now=run.now())))
            if answer.state is not WaitState.WAITING:
                return answer
            request = replace(request, again=False, deadline=answer.deadline)
            await self._until_changed(made, request)

    async def _until_changed(self, made: Call, request: WaitRequest) -> None:
        """Until somebody says that something changed, or the deadline has come."""
        run = self._run
        one = _Open(request, asyncio.Event())
        self._open[request.path] = one
        made.open_wait = True
        if made.heard is not None:
            made.heard()
        if request.kind is WaitKind.EXECUTION:
            run.tools.awaits_others.set()
        self.look()
        timer: asyncio.Task[None] | None = None
        if request.deadline is not None:
            timer = asyncio.Task(self._ring_at(request.deadline, one), loop=run.loop)
        try:
            await one.changed.wait()
        finally:
            if timer is not None:
                timer.cancel()
            made.open_wait = False
            if not self.parked_on:
                self._open.pop(request.path, None)

    async def _ring_at(self, deadline: int, one: _Open) -> None:
        await self._run.tools.clock.sleep(max(deadline - self._run.now(), 0) / 1000)
        one.changed.set()

    def _look(self, run: Run, turns: int = 0) -> None:
        if not self._open or run.stopped or run.root is None or not run.root.idle():
            self._looking = False
        elif turns < _TURNS:
            run.loop.call_soon(self._look, run, turns + 1)
        else:
            self._looking = False
            self.parked_on = tuple(self._open)
            run.stop()

    async def _payload(self, point: WaitPoint[Any, Any], execution_id: str) -> Any:
        """What was asked at a wait point, rebuilt. Raises Conflict where nobody has asked yet."""
        asked = await self._run.asked(question(self._run.tools.store, execution_id, point.key))
        return rebuilt(point, asked, execution_id)


def _reason(request: WaitRequest) -> str:
    match request.kind:
        case WaitKind.POINT:
            said = f"waits for an answer to {request.key}"
        case WaitKind.SLEEP:
            return f"sleeps until {iso(request.deadline or 0)}"
        case WaitKind.RETRY:
            return f"tries {request.name} again at {iso(request.deadline or 0)}"
        case WaitKind.OUTCOME:
            return f"waits for somebody to say what became of {request.path} (hub workflow settle)"
        case WaitKind.SIGNAL:
            said = f"waits for the signal {request.key}"
        case WaitKind.EXECUTION:
            said = f"waits for execution {request.key}"
    return said if request.deadline is None else f"{said} until {iso(request.deadline)}"
