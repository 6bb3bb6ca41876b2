"""Events: what was noticed, what became of it, and again."""

from __future__ import annotations

from collections.abc import Sequence

from hub.client.verbs import Verbs
from hub.model.errors import NotFound
from hub.model.event import Delivery, Event


class EventVerbs(Verbs):
    """Events: what was noticed, what became of it, and again."""

    async def event(self, event_id: str) -> tuple[Event, list[Delivery]]:
        """Raises NotFound."""
        self._require("event:read")
        found = await self._store.event(event_id)
        if found is None:
            raise NotFound("event", event_id)
        self._require("event:read", origin(found))
        return found, await self._store.deliveries(event_ids=[event_id])

    async def replay(
        self, event_id: str, executors: Sequence[str] | None = None, *, idempotency_key: str | None = None
    ) -> list[Delivery]:
        """Hold an event against its executors again, as the files are now. Raises NotFound.

        The same key again starts nothing more, and answers with the deliveries of what it started.
        """
        async with self._changing("event:replay", None, f"event {event_id}") as entry:
            event = await self._store.event(event_id)
            if event is None:
                raise NotFound("event", event_id)
            self._require("event:replay", origin(event))
            return await self._driver.replay(event, executors, entry, idempotency_key)


def origin(event: Event) -> str:
    """What permissions for an event name: the executor of a webhook or a schedule, the database of a row."""
    return event.source.partition(":")[2]
