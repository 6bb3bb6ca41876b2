"""Answers that take more than the stored event: a body with expressions in it, or the result of what was started.

The event is stored already. Whatever goes wrong here, the sender gets the plain answer and has no reason to send again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from hub.dispatch.facts import args_of, context_of
from hub.expressions import Evaluator, Request, Scope
from hub.model.clock import Clock
from hub.model.event import Event, Outcome, StoredEvent, delivery_id
from hub.model.execution import ENDED, ExecutionRecord, Status
from hub.store import Store
from hub.triggers.webhook.answer import Answer
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.responding import respond_with

log = logging.getLogger(__name__)

#: Seconds between two looks at an execution: soon at first, then less and less often.
_FIRST_LOOK, _LATER = 0.005, 0.15


class Answering:
    """Makes the deferred answers of an intake. It has no deadline of its own: the intake gives up."""

    def __init__(self, store: Store, evaluator: Evaluator, clock: Clock, env: Callable[[], Mapping[str, Any]]) -> None:
        self._store = store
        self._evaluator = evaluator
        self._clock = clock
        self._env = env

    async def __call__(self, endpoint: Endpoint, stored: StoredEvent) -> Answer | None:
        """The answer for a stored event; None: the plain one."""
        response = endpoint.response
        record = None
        if response.result:
            record = await self._ended(delivery_id(stored.id, endpoint.name))
            if record is None or record.status is not Status.SUCCESS:
                return None
            if response.template is None:
                return respond_with(response, record.result)
        event = await self._store.event(stored.id)
        return None if event is None else await self._evaluated(endpoint, event, record)

    async def _ended(self, identifier: str) -> ExecutionRecord | None:
        """What the delivery started, when it has ended; None when it has started nothing."""
        pause = _FIRST_LOOK
        while (delivery := await self._store.delivery(identifier)) is None:
            pause = await self._rest(pause)
        if delivery.outcome is not Outcome.STARTED or delivery.execution_id is None:
            return None
        while await self._store.status_of(delivery.execution_id) not in ENDED:
            pause = await self._rest(pause)
        return await self._store.execution(delivery.execution_id)

    async def _rest(self, pause: float) -> float:
        await self._clock.sleep(pause)
        return min(pause * 1.5, _LATER)

    async def _evaluated(self, endpoint: Endpoint, event: Event, record: ExecutionRecord | None) -> Answer | None:
        context = context_of(event)
        if record is not None:
            context["execution"] = {"id": record.id, "status": record.status.value, "result": record.result}
        scope = Scope(args_of(event), context, self._env(), event.time, event.id)
        (answer,) = await self._evaluator.evaluate([Request(scope, None, {"body": endpoint.response.template})])
        if answer.error is not None:
            log.warning(
                "webhook %s: response.body of event %s: %s",
                endpoint.name,
                event.id,
                answer.error,
                extra={"event_id": event.id},
            )
            return None
        return respond_with(endpoint.response, answer.variables.get("body"))
