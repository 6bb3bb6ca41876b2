"""What a process without a lease goes by, on a machine whose clock may be wrong."""

from __future__ import annotations

from hub.model.clock import SharedClock
from hub.store import Store


async def go_by_the_nodes(store: Store, clock: SharedClock) -> None:
    """What a command starts is due now, as the nodes know it; and which of them live, they do not tell by its clock.

    Nodes themselves have it from their heartbeats.
    """
    if store.shared:
        before = clock.monotonic()
        clock.correct(await store.ahead(), (clock.monotonic() - before) * 1000)
