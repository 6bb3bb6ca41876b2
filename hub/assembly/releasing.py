"""Refused deliveries, held against the files as they are now, and let in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hub.assembly.parts import Parts
from hub.client import Client
from hub.model.errors import BadInput
from hub.model.event import NewEvent, StoredEvent
from hub.model.rights import require
from hub.store.refused import RefusedDelivery
from hub.triggers.webhook.examine import Step, examine
from hub.triggers.webhook.sealing import BrokenSeal, Seal, seal_of


@dataclass(frozen=True, slots=True)
class Checked:
    """A refused delivery, each step that it passes now, and the event that it would be; None when a step fails."""

    refused: RefusedDelivery
    steps: tuple[Step, ...]
    event: NewEvent | None

    @property
    def ok(self) -> bool:
        return self.event is not None


def project_seal(root: Path) -> Seal:
    """The seal of this installation. Its key stays out of the database, and out of backups of it."""
    return seal_of(root / "var" / "refused.key")


async def check(parts: Parts, refused: RefusedDelivery, client: Client | None = None) -> Checked:
    """Each step, at the time when it came, for whom the client acts. Raises BadInput when it cannot be looked at, or Refused."""
    require((client or parts.client).principal, "webhook:verify", refused.executor)
    endpoint = parts.files.endpoints.get(refused.executor)
    if endpoint is None:
        raise BadInput(
            f'executor "{refused.executor}" has no usable webhook now: see `hub check`, or whether it is disabled.'
        )
    if not refused.whole:
        steps = (Step("body", ok=False, detail=f"only {len(refused.body)} of its {refused.size} bytes are kept"),)
        return Checked(refused, steps, None)
    try:
        request = project_seal(parts.files.root).open(refused.sealed, refused.body)
    except BrokenSeal:
        raise BadInput(
            f"refused delivery {refused.id} was sealed with another key than var/refused.key: it can only be looked at."
        ) from None
    examined = await examine(endpoint, request, refused.received_at, parts.files.documents)
    return Checked(refused, examined.steps, examined.event)


async def release_one(parts: Parts, checked: Checked, client: Client | None = None) -> StoredEvent:
    """Make it an event. One that came again meanwhile and was accepted is a duplicate. Raises Refused."""
    assert checked.event is not None
    refused = checked.refused
    what = f"refused delivery {refused.id} of executor {refused.executor}"
    # Ids sort by millisecond: whoever is released later gets a later one.
    before = parts.clock.now()
    while parts.clock.now() <= before:
        await parts.clock.sleep(0.001)
    async with (client or parts.client).changing("webhook:release", refused.executor, what) as entry:
        stored = await parts.store.store_manual(checked.event, entry)
    await parts.store.drop_refused(checked.refused.id)
    return stored


class Refusals:
    """The same for a face that acts for many."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def check(self, client: Client, refused: RefusedDelivery) -> Sequence[Step]:
        """Each step that it passes now, and the one that it does not. Raises BadInput or Refused."""
        return (await check(self._parts, refused, client)).steps

    async def release(self, client: Client, refused: RefusedDelivery) -> StoredEvent:
        """Make it an event. Raises BadInput when it does not hold now, or Refused."""
        checked = await check(self._parts, refused, client)
        if not checked.ok:
            raise BadInput(f"it does not hold now: {checked.steps[-1].name}: {checked.steps[-1].detail}.")
        return await release_one(self._parts, checked, client)
