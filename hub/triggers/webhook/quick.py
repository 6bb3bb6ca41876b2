"""The short way through an intake, for requests that came whole: no task, no coroutine, one callback when the event is stored.

It makes the same decisions by the same functions. What takes more than a commit goes the long way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from hub.model.errors import StoreUnavailable
from hub.model.event import NewEvent, StoredEvent
from hub.triggers.webhook.answer import Answer
from hub.triggers.webhook.guard import HeadLimits, look
from hub.triggers.webhook.intake import Admitted, Decided, Intake, Scope

Reply = Callable[[Answer], None]
Submit = Callable[[NewEvent], "asyncio.Future[StoredEvent]"]

PREFIX = "/webhooks/"


class QuickIntake:
    """`submit` hands an event to the store and gives a future; it must not block."""

    def __init__(self, intake: Intake, submit: Submit, limits: HeadLimits | None = None) -> None:
        self._intake = intake
        self._submit = submit
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
                self._submit(decided).add_done_callback(partial(self._stored, admitted, reply))
                return None
        except Exception as error:  # noqa: BLE001 - it is told by `sorry`
            decided = intake.sorry(error)
        if isinstance(decided, Answer):
            intake.leave(admitted)
            reply(decided)
            return None
        return self._settle(admitted, decided, reply)

    def _stored(self, admitted: Admitted, reply: Reply, future: asyncio.Future[StoredEvent]) -> None:
        intake = self._intake
        intake.leave(admitted)
        try:
            answer = intake.stored(admitted.endpoint, future.result())
        except StoreUnavailable:
            answer = intake.not_stored()
        except asyncio.CancelledError:
            return
        except Exception as error:  # noqa: BLE001 - it is told by `sorry`
            answer = intake.sorry(error)
        reply(answer)

    async def _settle(self, admitted: Admitted, decided: Decided, reply: Reply) -> None:
        try:
            answer = await self._intake.settle(admitted, decided)
        except Exception as error:  # noqa: BLE001 - it is told by `sorry`
            answer = self._intake.sorry(error)
        finally:
            self._intake.leave(admitted)
        reply(answer)
