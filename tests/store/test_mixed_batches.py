"""Some of a batch is refused and some is not: each caller hears of his own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from kit import FakeClock

from hub.model.errors import Fenced
from hub.model.event import Delivery, NewEvent, Outcome, StoredEvent
from hub.model.execution import Checkpoint, Claimed, JobStatus, Settled, StartRequest, Status
from hub.store import Store, open_store
from hub.store.checkpoints import CallWrite
from hub.store.claims import Claimable, ClaimRequest
from hub.store.events import Dispatched, arrival, sent


async def claimed(store: Store, count: int) -> list[Claimed]:
    await asyncio.gather(*[store.start(StartRequest(f"e{n}", "w", "null", None, 0)) for n in range(count)])
    return sorted(await store.claim(ClaimRequest("node", (Claimable("w", "r"),), count, 1)), key=lambda one: one.id)


def write(one: Claimed, *, epoch: int | None = None) -> CallWrite:
    call = Checkpoint("main", "main", JobStatus.SUCCESS, "null", "h", result="1", started_at=1, finished_at=2)
    return CallWrite(one.id, one.epoch if epoch is None else epoch, call)


def end(one: Claimed, *, epoch: int | None = None) -> Settled:
    return Settled(one.id, one.epoch if epoch is None else epoch, Status.SUCCESS, 3, result="1")


@pytest.mark.parametrize("old", [set(), {1}, {0, 1, 2}])
def test_a_claim_that_is_over_is_refused_alone(store_url: str, old: set[int]) -> None:
    async def story() -> None:
        store = open_store(store_url, FakeClock())
        held = await claimed(store, 3)
        epochs = [one.epoch - (n in old) for n, one in enumerate(held)]
        for verb, made in ((store.checkpoint, write), (store.settle, end)):
            answers = await asyncio.gather(
                *[verb(made(one, epoch=epoch)) for one, epoch in zip(held, epochs, strict=True)],  # type: ignore[operator]  # either pair fits
                return_exceptions=True,
            )
            assert [isinstance(answer, Fenced) for answer in answers] == [n in old for n in range(3)]
        for n, one in enumerate(held):
            found = await store.execution(one.id)
            assert found is not None
            assert (found.status == Status.SUCCESS, bool(found.jobs)) == (n not in old, n not in old)
        await store.close()

    asyncio.run(story())


def test_an_event_that_is_dispatched_twice_at_once_starts_one_execution(store_url: str) -> None:
    async def story() -> None:
        store = open_store(store_url, FakeClock())
        event = NewEvent("webhook:x", None, "webhook", 1, {}, executors=("x",))
        first, second = await store.store_events([event, event])
        twice = [dispatched(first.id, "a"), dispatched(first.id, "b"), dispatched(second.id, "c")]
        assert sorted(await asyncio.gather(*[store.dispatch(one) for one in twice])) == [False, True, True]
        assert await store.dispatch(dispatched(second.id, "d")) is False
        assert len(await store.executions()) == len(await store.deliveries(event_ids=[first.id, second.id])) == 2
        await store.close()

    asyncio.run(story())


def test_rows_of_another_process_are_stored_as_they_came_and_a_repeated_one_is_the_first_one(store_url: str) -> None:
    async def story() -> None:
        store = open_store(store_url, FakeClock())
        told: asyncio.Queue[Sequence[StoredEvent] | Exception] = asyncio.Queue()
        messages = [
            [row_of("a", "E1", b"1"), row_of("b", "E2", b"2")],
            [row_of("b", "E3", b"2"), row_of("c", "E4", b""), row_of("a", "E5", b"5")],
        ]
        for message in messages:
            store.hand_in_rows(message, told.put_nowait, timeout=5)
        assert [await told.get(), await told.get()] == [
            [StoredEvent("E1", duplicate=False), StoredEvent("E2", duplicate=False)],
            [
                StoredEvent("E2", duplicate=True),
                StoredEvent("E4", duplicate=False),
                StoredEvent("E1", duplicate=True, conflict=True),
            ],
        ]
        stored = {event.id: event for event in await store.events()}
        assert {name: event.body for name, event in stored.items()} == {"E1": b"1", "E2": b"2", "E4": b"", "E5": b"5"}
        assert {json.dumps(event.payload) for event in stored.values()} == {json.dumps({"ü": "€"})}
        await store.close()

    asyncio.run(story())


def row_of(key: str, name: str, body: bytes) -> tuple[Sequence[Any], bytes]:
    """What the side door sends of a delivery, behind the JSON that it goes through."""
    row, data = sent(arrival(NewEvent("webhook:x", key, "push", 1, {"ü": "€"}, body=body, executors=("x",)), 1, name))
    return json.loads(json.dumps(row)), data


def test_a_start_that_was_made_before_is_answered_with_the_first_one(store_url: str) -> None:
    async def story() -> None:
        store = open_store(store_url, FakeClock())
        requests = [
            replace(StartRequest(f"e{n}", "w", "null", None, 0), idempotency_key=key)
            for n, key in enumerate(["a", "b", "a", None])
        ]
        started = await asyncio.gather(*[store.start(request) for request in requests])
        assert [(one.id, one.created) for one in started] == [("e0", True), ("e1", True), ("e0", False), ("e3", True)]
        await store.close()

    asyncio.run(story())


def dispatched(event_id: str, execution_id: str) -> Dispatched:
    delivery = Delivery(f"{event_id}.x", event_id, "x", Outcome.STARTED, "it started.", 1, execution_id)
    return Dispatched(event_id, (delivery,), (StartRequest(execution_id, "w", "null", None, 0),))
