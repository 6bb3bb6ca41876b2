"""Of one concurrency key, executions run in the order in which they were started, also past the death of a worker."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kit import FakeClock, play_on_store

from hub.model.execution import Settled, StartRequest, Status
from hub.store import Store, keys
from hub.store.claims import Claimable, ClaimRequest


async def start(store: Store, clock: FakeClock, *names: str, priority: int = 0) -> None:
    for name in names:
        clock.advance(1)
        key = name[0]
        await store.start(StartRequest(name, "orders", "{}", None, clock.now(), priority=priority, concurrency_key=key))


async def claim(store: Store, clock: FakeClock, node: str, limit: int = 1) -> list[str]:
    request = ClaimRequest(node, (Claimable("orders", "r", limit, by_key=True),), 10, clock.now())
    return sorted(one.id for one in await store.claim(request))


async def _overtaken(store: Store, clock: FakeClock) -> None:
    await start(store, clock, "a1", "a2", "b1")
    assert await claim(store, clock, "n1") == ["a1", "b1"]
    clock.advance(20)
    assert await store.rescue(["n1"]) == 2
    await start(store, clock, "a3", priority=9)
    assert await claim(store, clock, "n2") == ["a1", "b1"], "what had begun comes before what is due for longer"
    await store.settle(Settled("a1", 2, Status.SUCCESS, clock.now(), "1"))
    assert await claim(store, clock, "n2") == ["a3"]


def test_what_had_begun_is_not_overtaken(store_url: str) -> None:
    play_on_store(store_url, _overtaken)


def test_that_it_is_overtaken_is_found(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    forgets = replace(keys._BEGUN_OF, body=keys._BEGUN_OF.body.replace("e.epoch > 0", "e.epoch < 0"))
    monkeypatch.setattr(keys, "_BEGUN_OF", forgets)
    with pytest.raises(AssertionError, match="what had begun"):
        play_on_store(store_url, _overtaken)


def test_the_key_is_taken_while_what_had_begun_waits_for_its_turn(store_url: str) -> None:
    async def story(store: Store, clock: FakeClock) -> None:
        await start(store, clock, "a1", "a2", "a3")
        for node in ("n1", "n2"):
            assert await claim(store, clock, node, limit=2) == ["a1", "a2"]
            await store.rescue([node])
        # Two died with two workers: they are tried one after the other.
        assert await claim(store, clock, "n3", limit=2) == ["a1"]
        assert await claim(store, clock, "n3", limit=2) == []

    play_on_store(store_url, story)
