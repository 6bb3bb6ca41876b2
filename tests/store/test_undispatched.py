"""What dispatch takes next: everything in the end, of each source its share, and at the same cost however much waits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kit import FakeClock

from hub.model.event import Delivery, NewEvent, Outcome
from hub.store import Store, open_store
from hub.store.events import Dispatched
from hub.store.undispatched import Part


async def come(store: Store, counts: Mapping[str, int]) -> None:
    for source, count in counts.items():
        await store.store_events([NewEvent(source, None, "push", 1, {}) for _ in range(count)])


async def mark(store: Store, ids: list[str]) -> None:
    deliveries = {one: Delivery(f"{one}.x", one, "x", Outcome.FILTERED, "no.", 1) for one in ids}
    await asyncio.gather(*[store.dispatch(Dispatched(one, (deliveries[one],), ())) for one in ids])


async def rounds(store: Store, limit: int) -> list[Counter[str]]:
    """Which sources each batch holds, until nothing is new."""
    seen: set[str] = set()
    found, behind = [], ""
    while True:
        events, _, behind = await store.undispatched(limit, behind)
        if not events:
            return found
        ids = [event.id for event in events]
        assert ids == sorted(ids)
        assert not seen & set(ids)
        seen |= set(ids)
        await mark(store, ids)
        found.append(Counter(event.source for event in events))


def test_a_quiet_source_does_not_wait_behind_a_flood(store_url: str) -> None:
    async def story() -> None:
        store = open_store(store_url, FakeClock())
        await come(store, {"webhook:flood": 2_000, "webhook:quiet": 3, "record:shop": 150})
        first, second, *rest = await rounds(store, 200)
        assert first == {"webhook:flood": 131, "record:shop": 66, "webhook:quiet": 3}
        assert second["record:shop"] == 84, "all that were left of it"
        assert [sum(one.values()) for one in (first, second, *rest)] == [200] * 10 + [153], "each batch is full"
        await store.close()

    asyncio.run(story())


def test_very_many_sources_take_turns(store_url: str) -> None:
    async def story() -> None:
        store = open_store(store_url, FakeClock())
        await come(store, {"webhook:flood": 1_000} | {f"webhook:{n:03}": 1 for n in range(100)})
        found = await rounds(store, 50)
        waited = max(place for place, one in enumerate(found) if set(one) - {"webhook:flood"})
        assert waited < 4
        await store.close()

    asyncio.run(story())


@pytest.mark.parametrize("part", [Part(), Part(1, 2)])
def test_those_who_flood_can_be_left_out(store_url: str, part: Part) -> None:
    async def story() -> None:
        store = open_store(store_url, FakeClock())
        await come(store, {"webhook:flood": 300, "record:flood": 300, "webhook:quiet": 60, "schedule:quiet": 2})
        crowd = frozenset({"webhook:flood", "record:flood"})
        seen: Counter[str] = Counter()
        while events := (await store.undispatched(40, "", part, crowd))[0]:
            given = Counter(event.source for event in events)
            assert not crowd & set(given)
            assert max(given.values()) <= (20 if "schedule:quiet" in given else 40) * part.of
            await mark(store, [event.id for event in events])
            seen += given
        if part.of == 1:
            assert seen == {"webhook:quiet": 60, "schedule:quiet": 2}
        first, last = part.ends
        left = await store.new_events(limit=1_000)
        assert not [one.id for one in left if one.source not in crowd and first <= one.id[25] <= last]
        await store.close()

    asyncio.run(story())


@pytest.mark.parametrize("nodes", [2, 3, 5])
def test_nodes_take_different_events_and_what_a_dead_one_would_have_taken(store_url: str, nodes: int) -> None:
    async def story() -> None:
        store = open_store(store_url, FakeClock())
        await come(store, {"record:shop": 900, "webhook:quiet": 40})
        looks = [await store.undispatched(100, "", Part(place, nodes)) for place in range(nodes)]
        ids = [[event.id for event in events] for events, _, _ in looks]
        assert all(len(set(one)) == len(one) > 50 for one in ids)
        assert len(set().union(*ids)) == sum(map(len, ids)), "none is taken twice"
        assert all(any(event.source == "webhook:quiet" for event in events) for events, _, _ in looks)
        # The others are gone: the one that is left takes everything in the end.
        taken: set[str] = set()
        while events := (await store.undispatched(100, "", Part(0, nodes)))[0]:
            taken |= {event.id for event in events}
            await mark(store, [event.id for event in events])
        assert len(taken) == 940
        await store.close()

    asyncio.run(story())


def test_the_parts_of_nodes_are_the_whole() -> None:
    characters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    for of in range(1, 33):
        found = [Part(place, of).ends for place in range(of)]
        parts = [characters[characters.index(first) : characters.index(last) + 1] for first, last in found]
        assert "".join(parts) == characters
    assert Part(40, 50).ends == Part(8, 32).ends


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.dictionaries(st.sampled_from([f"webhook:{n}" for n in range(60)]), st.integers(1, 12)),
    limit=st.integers(1, 30),
)
@example(counts={"webhook:1": 5, "webhook:2": 1}, limit=1)
def test_everything_is_taken_once_in_full_batches_and_nobody_waits_long(
    quick_path: object, counts: dict[str, int], limit: int
) -> None:
    async def story() -> None:
        store = open_store("sqlite://", FakeClock())
        await come(store, counts)
        found = await rounds(store, limit)
        assert sum(found, Counter()) == counts
        assert all(sum(one.values()) == limit for one in found[:-1])
        first = {source: next(place for place, one in enumerate(found) if source in one) for source in counts}
        # At most forty have their turn in a batch, and what is left of it may go to others.
        assert max(first.values(), default=0) <= len(counts) // min(limit, 40) + 1
        await store.close()

    asyncio.run(story())
