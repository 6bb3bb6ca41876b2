"""Whether the hub can do its work now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hub.model.clock import Clock, SystemClock
from hub.model.errors import HubError
from hub.store import Store

#: Seconds that an event may wait for its dispatch, and a slot of a schedule for its event. It is far more than the rest that
#: dispatch takes in a flood of webhooks.
MOST_LAG = 120.0


class Readiness:
    """Asked by `/readyz`."""

    def __init__(self, store: Store, troubles: Callable[[], list[str]], clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._store = store
        self._troubles = troubles

    async def report(self) -> tuple[bool, dict[str, Any]]:
        """Ready or not, and why not."""
        try:
            oldest = await self._store.oldest_new_event()
            first = await self._store.next_schedules(1)
        except (HubError, OSError):
            # Anybody may ask, so that it does not name what cannot be reached.
            why = "the store cannot be read. Look whether its database runs and can be reached; the log of the hub says more."
            return False, {"status": "not ready", "reasons": [why]}
        reasons = self._troubles()
        now = self._clock.now()
        waited = 0 if oldest is None else (now - oldest) / 1000
        overdue = (now - (first[0].next_fire_at or now)) / 1000 if first and not first[0].paused else 0
        if overdue > MOST_LAG:
            reasons = [*reasons, f"the schedule {first[0].executor} is overdue by {overdue:.0f} s."]
        if waited > MOST_LAG:
            reasons = [*reasons, f"the oldest event has waited {waited:.0f} s to be dispatched."]
        return not reasons, {"status": "not ready" if reasons else "ready", "reasons": reasons}
