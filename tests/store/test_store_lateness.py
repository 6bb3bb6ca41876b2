"""How long the latest event of each kind took until it was durable."""

from __future__ import annotations

import asyncio

from kit import FakeClock

from hub.model.event import NewEvent
from hub.store import open_store
from hub.store.counting import Counts
from hub.store.events import STORE_EVENTS, arrival


def test_the_latest_of_each_kind_says_how_late_it_was() -> None:
    async def story() -> None:
        clock = FakeClock()
        store, counts = open_store("sqlite://", clock), Counts(clock)
        store.watch(counts)
        try:
            for source, late in [
                ("webhook:hook", 9_000),
                ("webhook:hook", 2),
                ("record:shop", 1_500),
                ("manual:x", -5),
            ]:
                await store.store_event(NewEvent(source, None, "webhook", clock.now() - late, {}))
            assert counts.latest == {"webhook": 0.002, "record": 1.5, "manual": 0.0}
        finally:
            await store.close()

    asyncio.run(story())


def test_many_at_once_are_counted_as_one_by_one() -> None:
    async def story() -> None:
        clock = FakeClock()
        store, counts = open_store("sqlite://", clock), Counts(clock)
        store.watch(counts)
        deliveries = [("webhook:a", "1", 9_000), ("webhook:a", "2", 8_000), ("webhook:b", "1", 4), ("manual:x", "1", 3)]
        deliveries.append(("webhook:a", "1", 2))
        events = [NewEvent(source, key, "push", clock.now() - late, {}) for source, key, late in deliveries]
        try:
            await store._writer.submit(STORE_EVENTS, [arrival(event, clock.now()) for event in events])
            assert counts.events == {("webhook", "new"): 3, ("webhook", "duplicate"): 1, ("manual", "new"): 1}
            assert counts.latest == {"webhook": 0.002, "manual": 0.003}
        finally:
            await store.close()

    asyncio.run(story())
