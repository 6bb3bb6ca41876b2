"""Answers to wait points from outside of jobs: does it fit, may they, and into the store with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hub.engine.points import WaitPoint
from hub.model.audit import AuditEntry
from hub.model.clock import Clock
from hub.model.errors import Conflict, ExecutionNotFound, NotFound
from hub.model.identity import MachineUser, Principal
from hub.model.rights import require
from hub.model.values import Shape, canonical
from hub.model.wait import Resolution, WaitKind, WaitRecord, WaitState
from hub.store import Store


class Resolver:
    """Answers the wait points of one hub's executions."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        points: Callable[[], Mapping[str, WaitPoint[Any, Any]]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._points = points

    async def resolve(
        self,
        execution_id: str,
        where: WaitPoint[Any, Any] | str,
        answer: Any,
        *,
        user: MachineUser | Principal | None = None,
        by: str = "",
        entry: AuditEntry | None = None,
    ) -> WaitState:
        """Answer a wait point, once; WAITING: nobody has asked yet, and the answer is kept for who will.

        `where` is a wait point, or its key: `approval`, `approval:order=o-1`. A function is given the payload and
        returns the answer. A user needs `wait-point:resolve:NAME`, and is recorded as who answered, or else `by`. Raises
        ExecutionNotFound, NotFound for a wait point that nobody has declared, InvalidArguments or NotJson when the answer
        does not fit, Refused, or Conflict when it was answered before or a function is given and nobody has asked.
        """
        key = where if isinstance(where, str) else where.key
        wait = await question(self._store, execution_id, key)
        if wait is None and await self._store.status_of(execution_id) is None:
            raise ExecutionNotFound(execution_id)
        point = self._point(key, wait) if isinstance(where, str) else where
        if user is not None:
            asking = user if isinstance(user, Principal) else user.principal
            self._allow(asking, point, wait)
            by = by if asking.kind == "local" else asking.label
        if callable(answer):
            answer = answer(rebuilt(point, wait, execution_id))
        text = point.answer_text(answer)
        return await self._store.resolve_wait(Resolution(execution_id, key, text, self._clock.now(), by), entry)

    def _point(self, key: str, wait: WaitRecord | None) -> WaitPoint[Any, Any]:
        """As it is declared. One that is waited for and declared inside a function takes any JSON."""
        name, points = key.partition(":")[0], self._points()
        if name in points:
            return points[name]
        if wait is None:
            raise NotFound("wait point", name, points)
        return WaitPoint(name, Shape(), Shape(), permission=wait.permission)

    @staticmethod
    def _allow(user: Principal, point: WaitPoint[Any, Any], wait: WaitRecord | None) -> None:
        require(user, "wait-point:resolve", point.name)
        asked = {point.permission, None if wait is None else wait.permission} - {None}
        for permission in sorted(str(one) for one in asked):
            resource, _, rest = permission.partition(":")
            verb, _, name = rest.partition(":")
            require(user, f"{resource}:{verb}", name)


async def question(store: Store, execution_id: str, key: str) -> WaitRecord | None:
    """Who asks there, the oldest first; where nobody does any more, who asked last."""
    found = [
        wait for wait in await store.waits(execution_id=execution_id, kind=WaitKind.POINT.value) if wait.key == key
    ]
    still = [wait for wait in found if wait.state is WaitState.WAITING]
    return min(still, key=lambda wait: (wait.created_at, wait.path)) if still else next(iter(found), None)


def rebuilt(point: WaitPoint[Any, Any], wait: WaitRecord | None, execution_id: str) -> Any:
    """What was asked, of the type that is declared. Raises Conflict where nobody has asked."""
    if wait is None:
        raise Conflict(
            f'nobody has asked "{point.key}" of execution {execution_id} yet: a function answers a question, so '
            "give a value, or try again when it waits."
        )
    return point.payload.load(canonical(wait.payload))
