"""Whether the hub can do its work now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hub.model.errors import HubError
from hub.store import Store


class Readiness:
    """Asked by `/readyz`."""

    def __init__(self, store: Store, troubles: Callable[[], list[str]]) -> None:
        self._store = store
        self._troubles = troubles

    async def report(self) -> tuple[bool, dict[str, Any]]:
        """Ready or not, and why not."""
        try:
            await self._store.status_of("")
        except (HubError, OSError) as error:
            return False, {"status": "not ready", "reasons": [f"the store cannot be read: {type(error).__name__}"]}
        reasons = self._troubles()
        return not reasons, {"status": "not ready" if reasons else "ready", "reasons": reasons}
