"""Which part of what is to be dispatched is a node's own."""

from __future__ import annotations

import asyncio
from typing import Any

from kit import FakeClock

from hub.assembly.sharing import Sharing
from hub.engine.lease import this_process
from hub.store import open_store
from hub.store.undispatched import WHOLE, Part


class Told:
    """In the place of a dispatcher."""

    part = WHOLE


def test_nodes_share_as_they_come_and_go(postgres_url: str) -> None:
    async def story() -> None:
        clock, store = FakeClock(), open_store(postgres_url, FakeClock())
        clock.ms = (await _now(store)) or clock.ms
        told: dict[str, Any] = {name: Told() for name in ("A", "B", "C")}
        sharing = [Sharing(store, clock, name, dispatcher) for name, dispatcher in told.items()]

        async def parts() -> dict[str, Part]:
            for one in sharing:
                await one.run_once()
            return {name: dispatcher.part for name, dispatcher in told.items()}

        assert await parts() == {"A": WHOLE, "B": WHOLE, "C": WHOLE}
        for name in told:
            await store.beat(name, this_process(), 15_000)
        assert await parts() == {"A": Part(0, 3), "B": Part(1, 3), "C": Part(2, 3)}
        await store.leave("B")
        assert await parts() == {"A": Part(0, 2), "B": WHOLE, "C": Part(1, 2)}
        clock.advance(20)
        await store.beat("C", this_process(), 40_000)
        assert await parts() == {"A": WHOLE, "B": WHOLE, "C": WHOLE}, "A's lease has run out"
        await store.close()

    asyncio.run(story())


async def _now(store: Any) -> int:
    """The database's time: leases count by it."""
    await store.beat("clock", this_process(), 0)
    ((lease,),) = [(one.lease_until,) for one in await store.nodes() if one.id == "clock"]
    await store.leave("clock")
    return int(lease)
