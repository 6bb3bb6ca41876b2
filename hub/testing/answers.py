"""What a test answers to the questions of its executions, now or once they ask."""

from __future__ import annotations

import re
from typing import Any

from hub.engine.points import WaitPoint
from hub.engine.resolving import Resolver
from hub.model.wait import WaitKind, WaitRecord, WaitState
from hub.store import Store


class Answers:
    """The answers of one engine."""

    def __init__(self, store: Store, resolver: Resolver) -> None:
        self._store = store
        self._resolver = resolver
        #: For those who will ask: (wait point, answer, for every one of them).
        self._kept: list[tuple[WaitPoint[Any, Any], Any, bool]] = []

    async def asked(self) -> list[WaitRecord]:
        """What waits for an answer, the newest first."""
        return await self._store.waits(kind=WaitKind.POINT.value, open_only=True)

    async def answer(self, point: WaitPoint[Any, Any], answer: Any, *, always: bool, by: str) -> None:
        """Everybody who asks now; when nobody does, the first who will, or with `always` every one."""
        if not callable(answer):
            point.answer_text(answer)
        asking = [wait for wait in await self.asked() if _is_for(wait, point)]
        for wait in asking:
            await self._resolver.resolve(wait.execution_id, _point_at(point, wait), answer, by=by)
        if always or not asking:
            self._kept.append((point, answer, always))

    async def give(self) -> bool:
        """Answer who asks by now and has an answer kept; whether anybody did."""
        if not self._kept:
            return False
        given = False
        for wait in reversed(await self.asked()):
            found = next((one for one in self._kept if _is_for(wait, one[0])), None)
            if found is None:
                continue
            point, answer, always = found
            if not always:
                self._kept.remove(found)
            state = await self._resolver.resolve(wait.execution_id, _point_at(point, wait), answer, by="test")
            given = given or state is WaitState.RESOLVED
        return given


def _is_for(wait: WaitRecord, point: WaitPoint[Any, Any]) -> bool:
    """A wait point without parameters stands for all of its name."""
    return point.key in (wait.key, wait.name)


def _point_at(point: WaitPoint[Any, Any], wait: WaitRecord) -> WaitPoint[Any, Any]:
    """The wait point with the parameters that it is waited for with."""
    return point if point.key == wait.key else point.with_(**_parameters(wait.key))


def _parameters(key: str) -> dict[str, str]:
    """Those in the key of a wait point; a value may hold a comma."""
    given = re.split(r"(?:^|,)(\w+)=", key.partition(":")[2])
    return dict(zip(given[1::2], given[2::2], strict=True))
