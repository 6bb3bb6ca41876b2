"""The short way through an intake, for requests that came whole: no task, no coroutine, one callback when the event is stored.

It makes the same decisions by the same functions. What takes more than a commit goes the long way.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from hub.model.errors import StoreUnavailable
from hub.model.event import NewEvent, StoredEvent
from hub.triggers.webhook.answer import Answer
from hub.triggers.webhook.deciding import Decided
from hub.triggers.webhook.guard import HeadLimits, look
from hub.triggers.webhook.intake import Admitted, Intake, Scope

Reply = Callable[[Answer], None]
#: Hands an event to the store, which calls back with what became of it. It does not block.
HandIn = Callable[[NewEvent, Callable[[StoredEvent | Exception], None]], None]

PREFIX = "/webhooks/"


class QuickIntake:
    """Takes webhooks whose bodies are there."""

    def __init__(self, intake: Intake, hand_in: HandIn, limits: HeadLimits | None = None) -> None:
        self._intake = intake
        self._hand_in = hand_in
        self._limits = limits or HeadLimits()

    def take(self, scope: Scope, body: bytes, reply: Reply) -> Coroutine[Any, Any, None] | None:
        """Answer one request by `reply`, now or later; or the work that its answer takes, for a task."""
        answer, _ = look(scope, self._limits)
        if answer is not None:
            reply(answer)
            return None
        intake = self._intake
        admitted = intake.admit(scope)
        if isinstance(admitted, Answer):
            reply(admitted)
            return None
        try:
            decided = intake.decide(admitted, body)
            if isinstance(decided, NewEvent) and not admitted.endpoint.response.deferred:
                self._hand_in(decided, partial(self._stored, admitted, reply))
                return None
        except Exception as error:  # noqa: BLE001 - it is told by `sorry`
            decided = intake.sorry(error)
        if isinstance(decided, Answer):
            intake.leave(admitted)
            reply(decided)
            return None
        return self._settle(admitted, decided, reply)

    def _stored(self, admitted: Admitted, reply: Reply, stored: StoredEvent | Exception) -> None:
        intake = self._intake
        intake.leave(admitted)
        if isinstance(stored, StoredEvent):
            answer = intake.stored(admitted.endpoint, stored)
        elif isinstance(stored, StoreUnavailable):
            answer = intake.not_stored()
        else:
            answer = intake.sorry(stored)
        reply(answer)

    async def _settle(self, admitted: Admitted, decided: Decided, reply: Reply) -> None:
        try:
            answer = await self._intake.settle(admitted, decided)
        except Exception as error:  # noqa: BLE001 - it is told by `sorry`
            answer = self._intake.sorry(error)
        finally:
            self._intake.leave(admitted)
        reply(answer)
