"""Deliveries that were turned away: looked at, checked again, and let in."""

from __future__ import annotations

from hub.client.verbs import Verbs
from hub.model.errors import Conflict, NotFound
from hub.model.event import StoredEvent
from hub.store.refused import RefusedDelivery
from hub.triggers.webhook.examine import Examined


class RefusedVerbs(Verbs):
    """Deliveries that were turned away: looked at, checked again, and let in."""

    async def refused_one(self, identifier: int) -> RefusedDelivery:
        """Raises NotFound."""
        return await self._kept("webhook:read", identifier)

    async def check_refused(self, identifier: int) -> tuple[RefusedDelivery, Examined]:
        """With each step as the files and secrets are now, at the time when it came. It changes nothing.

        Raises NotFound, or BadInput when it can only be looked at.
        """
        found = await self._kept("webhook:verify", identifier)
        return found, await self._driver.examine(found)

    async def release(self, identifier: int) -> StoredEvent:
        """Make it an event, as of when it came; one that came again meanwhile and was accepted is a duplicate.

        Raises NotFound, Conflict when it does not hold now, or BadInput when it can only be looked at.
        """
        async with self._changing("webhook:release", None, f"refused delivery {identifier}") as entry:
            found = await self._kept("webhook:release", identifier)
            entry.object = f"refused delivery {identifier} of executor {found.executor}"
            examined = await self._driver.examine(found)
            if examined.event is None:
                failed = examined.steps[-1]
                raise Conflict(f"it does not hold now: {failed.name}: {failed.detail}.")
            # Ids sort by millisecond: whoever is released later gets a later one.
            before = self._driver.clock.now()
            while self._driver.clock.now() <= before:
                await self._driver.clock.sleep(0.001)
            event = examined.event
            if event.key is None:
                # Let in twice at the same time it is one event. Numbers may be given again, and then to later ones.
                event = event._replace(key=f"released {identifier} {found.received_at}")
            stored = await self._store.store_manual(event, entry)
        await self._store.drop_refused(identifier)
        await self._dispatched(stored.id)
        return stored

    async def _kept(self, action: str, identifier: int) -> RefusedDelivery:
        self._require(action)
        found = await self._store.refused_one(identifier)
        if found is None:
            raise NotFound("refused delivery", str(identifier))
        self._require(action, found.executor)
        return found
