"""Webhooks tried from inside, with the files as they are now."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hub.assembly.files import Files
from hub.model.clock import Clock
from hub.model.errors import BadInput
from hub.model.event import Event
from hub.model.executor import Executor, WebhookTrigger
from hub.triggers.webhook.examine import Examined, Step, examine
from hub.triggers.webhook.retelling import retell
from hub.triggers.webhook.sign import sign, usual_event


class Trial:
    """A request that is signed as its sender would sign it, held against every step; and what earlier ones had to pass."""

    def __init__(self, files: Callable[[], Files], clock: Clock) -> None:
        self._files = files
        self._clock = clock

    def passed(self, event: Event) -> Sequence[Step]:
        """What a stored delivery had to pass."""
        return retell(self._files().endpoints.get(event.source.partition(":")[2]), event)

    async def sign(self, executor: Executor, body: bytes, event: str | None) -> Examined:
        """Raises BadInput when it has no webhook, or only its sender can sign."""
        trigger, files, now = executor.trigger, self._files(), self._clock.now()
        if not isinstance(trigger, WebhookTrigger):
            raise BadInput(f'executor "{executor.name}" has no webhook: its trigger is of the kind {executor.kind}.')
        endpoint = files.endpoints.get(trigger.source or executor.name)
        if endpoint is None:
            raise BadInput(
                f'executor "{executor.name}" has no usable webhook now: see `hub check`, or whether it is disabled.'
            )
        signed = sign(endpoint, body, now, event=event or usual_event(executor))
        return await examine(endpoint, signed.request(endpoint.name), now, files.documents)
