"""Refused deliveries, held against the files as they are now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hub.assembly.files import Files
from hub.model.errors import BadInput
from hub.store.refused import RefusedDelivery
from hub.triggers.webhook.examine import Examined, Step, examine
from hub.triggers.webhook.sealing import BrokenSeal, Seal, seal_of


def project_seal(root: Path) -> Seal:
    """The seal of this installation. Its key stays out of the database, and out of backups of it."""
    return seal_of(root / "var" / "refused.key")


class Examiner:
    """Checks each step anew, at the time when the delivery came."""

    def __init__(self, files: Callable[[], Files]) -> None:
        self._files = files

    async def __call__(self, refused: RefusedDelivery) -> Examined:
        """Raises BadInput when it cannot be looked at."""
        files = self._files()
        endpoint = files.endpoints.get(refused.executor)
        if endpoint is None:
            raise BadInput(
                f'executor "{refused.executor}" has no usable webhook now: see `hub check`, or whether it is disabled.'
            )
        if not refused.whole:
            return Examined((Step("body", ok=False, detail=refused.lacking),))
        try:
            request = project_seal(files.root).open(refused.sealed, refused.body)
        except BrokenSeal:
            raise BadInput(
                f"refused delivery {refused.id} was sealed with another key than var/refused.key: it can only be looked at."
            ) from None
        return await examine(endpoint, request, refused.received_at, files.documents)
