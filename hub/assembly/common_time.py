"""The time for a process that holds no lease: the one that the nodes share, since its machine's own clock may be wrong."""

from __future__ import annotations

from hub.model.clock import SharedClock
from hub.store import Store


async def go_by_the_nodes(store: Store, clock: SharedClock) -> None:
    """Set the clock of a command to the database's, where several nodes share one: nodes set theirs with each heartbeat.

    What the command starts is then due at once for them, and it judges by their time which of them are alive.
    """
    if store.shared:
        before = clock.monotonic()
        clock.correct(await store.ahead(), (clock.monotonic() - before) * 1000)
