"""Webhooks: what a delivery had to pass, and a correctly signed one to try it with."""

from __future__ import annotations

from collections.abc import Sequence

from hub.client.events import origin
from hub.client.verbs import Verbs
from hub.model.errors import Conflict
from hub.model.event import Event, StoredEvent
from hub.triggers.webhook.examine import Step


class WebhookVerbs(Verbs):
    """Webhooks: what a delivery had to pass, and a correctly signed one to try it with."""

    def passed(self, event: Event) -> Sequence[Step]:
        """What a stored delivery had to pass; nothing for what did not come by a webhook."""
        self._require("event:read", origin(event))
        return self._driver.passed(event) if event.source.startswith("webhook:") else ()

    async def send_signed(self, name: str, body: bytes, event: str | None = None) -> StoredEvent:
        """Store a delivery of a request that is signed as its sender would, and dispatch it. Whoever shares the address meets it.

        `event`: the sender's name for it; by default the first that the executor takes. Limits on rates and networks are the
        wire's, and are not asked. Raises NotFound, BadInput when it cannot be signed, or Conflict with the step that it does not pass.
        """
        async with self._changing("executor:trigger", name, f"executor {name}") as entry:
            examined = await self._driver.sign(self._declared(name), body, event)
            if examined.event is None:
                failed = examined.steps[-1]
                raise Conflict(f"it was not taken: {failed.name}: {failed.detail}.")
            stored = await self._store.store_manual(examined.event, entry)
        await self._dispatched(stored.id)
        return stored
