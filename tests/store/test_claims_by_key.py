"""A limit for each key: claims choose what one question over everything that is due would choose, at a cost that does not grow."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit import FakeClock

from hub.model.execution import Claimed, Settled, StartRequest, Status
from hub.store import Store, executions, keys, open_store
from hub.store.claims import Claimable, ClaimRequest
from hub.store.dialects.base import Bulk

#: What a claim chooses, said in one question that looks at everything.
CHOSEN = (
    f"WITH given AS (SELECT id, concurrency_key, epoch, due_at, status, {keys.RISEN} AS priority FROM executions) "
    "SELECT id FROM (SELECT id, priority, due_at, concurrency_key, row_number() OVER (PARTITION BY concurrency_key "
    "ORDER BY CASE epoch WHEN 0 THEN 1 ELSE 0 END, priority DESC, due_at, id) AS place FROM given WHERE due_at <= :now) due "
    "WHERE place <= :limit - (SELECT count(*) FROM given held WHERE held.status = 'RUNNING' "
    "AND (held.due_at IS NULL OR held.due_at > :now) AND held.concurrency_key = due.concurrency_key) "
    "ORDER BY priority DESC, due_at, id LIMIT :room"
)


@dataclass
class Hub:
    """A store, and what its only node holds."""

    store: Store
    clock: FakeClock
    limit: int
    held: list[Claimed]
    started: int = 0

    def asked(self, question: str, **params: Any) -> list[Any]:
        connection: sqlite3.Connection = self.store._writer._committer.connection.raw  # type: ignore[attr-defined]
        return [row[0] for row in connection.execute(question, params).fetchall()]

    async def start(self, number: int, key: str, priority: int) -> None:
        """Due in so many milliseconds."""
        self.started += 1
        now = self.clock.now()
        start = StartRequest(f"x{self.started:06}", "orders", "{}", None, now, due_at=now + max(0, number))
        await self.store.start(replace(start, priority=priority, concurrency_key=key))

    async def wait(self, number: int, _key: str, _priority: int) -> None:
        self.clock.advance(number / 1000)

    async def claim(self, room: int) -> list[str]:
        orders = Claimable("orders", "r", self.limit, by_key=True)
        claimed = await self.store.claim(ClaimRequest("n1", (orders,), room, self.clock.now()))
        self.held += claimed
        return sorted(one.id for one in claimed)

    async def claim_and_compare(self, number: int, _key: str, _priority: int) -> None:
        room = 1 + number % 4
        expected = self.asked(CHOSEN, now=self.clock.now(), limit=self.limit, room=room)
        assert await self.claim(room) == sorted(expected)

    async def die(self, _number: int, _key: str, _priority: int) -> None:
        self.held.clear()
        await self.store.rescue(["n1"])

    async def cancel(self, number: int, _key: str, _priority: int) -> None:
        if found := self.asked("SELECT id FROM executions WHERE finished_at IS NULL ORDER BY id"):
            gone = found[number % len(found)]
            self.held = [one for one in self.held if one.id != gone]
            await self.store.cancel(gone)

    async def resume_with_another_key(self, number: int, key: str, _priority: int) -> None:
        if found := self.asked("SELECT id FROM executions WHERE status IN ('FAILED', 'PENDING_RETRY') ORDER BY id"):
            await self.store.resume(found[number % len(found)], args="{}", concurrency_key=key)

    async def end(self, number: int, _key: str, _priority: int) -> None:
        await self.settle(number, Status.SUCCESS)

    async def fail(self, number: int, _key: str, _priority: int) -> None:
        await self.settle(number, Status.FAILED)

    async def retry(self, number: int, _key: str, _priority: int) -> None:
        await self.settle(number, Status.PENDING_RETRY, self.clock.now() + number)

    async def settle(self, number: int, status: Status, due_at: int | None = None) -> None:
        if self.held:
            one = self.held.pop(number % len(self.held))
            await self.store.settle(Settled(one.id, one.epoch, status, self.clock.now(), due_at=due_at))


STEP = st.tuples(
    st.sampled_from(
        [Hub.start] * 4
        + [Hub.claim_and_compare] * 4
        + [Hub.end] * 2
        + [Hub.wait, Hub.die, Hub.cancel, Hub.resume_with_another_key, Hub.fail, Hub.retry]
    ),
    st.integers(-20, 20),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from([-1000, 0, 0, 5, 1000]),
)
Step = tuple[Callable[..., Awaitable[None]], int, str, int]


def compared(steps: Iterable[Step], limit: int) -> None:
    """In the end nobody has been forgotten."""

    async def story() -> None:
        clock = FakeClock()
        store = open_store("sqlite://", clock)
        try:
            hub = Hub(store, clock, limit, [])
            for step, *given_it in steps:
                await step(hub, *given_it)
            while hub.asked("SELECT id FROM executions WHERE due_at IS NOT NULL") or hub.held:
                clock.advance(60)
                before = len(hub.held)
                assert await hub.claim(3) or before, "something waits, and nothing is claimed"
                while hub.held:
                    await hub.settle(0, Status.SUCCESS)
            assert not hub.asked("SELECT id FROM executions WHERE priority < -1000 AND status <> 'CANCELED'")
        finally:
            await store.close()

    asyncio.run(story())


@pytest.mark.parametrize("spare", [0, 100])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=30, max_size=60), limit=st.integers(1, 3))
def test_a_claim_chooses_what_one_question_over_everything_would(
    monkeypatch: pytest.MonkeyPatch, spare: int, steps: list[Step], limit: int
) -> None:
    monkeypatch.setattr(keys, "_SPARE", spare)
    compared(steps, limit)


@pytest.mark.parametrize("noted", [True, False])
def test_when_one_of_a_key_goes_the_next_one_may_begin(monkeypatch: pytest.MonkeyPatch, noted: bool) -> None:
    if not noted:
        monkeypatch.setattr(executions, "note_key", lambda *_: None)  # the planted fault
    steps: list[Step] = [
        (Hub.start, 0, "b", 5),
        *[(Hub.start, 0, "a", 0)] * 3,
        (Hub.claim_and_compare, 3, "", 0),
        (Hub.end, 1, "", 0),
        (Hub.start, 0, "b", 5),
        (Hub.end, 0, "", 0),
        (Hub.claim_and_compare, 0, "", 0),
        (Hub.cancel, 0, "", 0),
        (Hub.claim_and_compare, 3, "", 0),
    ]
    with contextlib.nullcontext() if noted else pytest.raises(AssertionError):
        compared(steps, 1)


def test_what_waits_for_a_full_key_and_is_given_another_one_waits_no_more() -> None:
    compared(
        [
            *[(Hub.start, 0, key, 0) for key in ("a", "c", "c")],
            (Hub.claim_and_compare, 3, "", 0),
            (Hub.retry, 4, "", 0),
            (Hub.start, 0, "a", 0),
            (Hub.claim_and_compare, 3, "", 0),
            (Hub.wait, 20, "", 0),
            (Hub.claim_and_compare, 3, "", 0),
            (Hub.resume_with_another_key, 0, "b", 0),
            (Hub.claim_and_compare, 3, "", 0),
        ],
        1,
    )


#: How many are due, each with its key, its priority and after how many milliseconds.
QUEUES: dict[str, Callable[[int], tuple[str, int, int]]] = {
    "one key": lambda _: ("a", 0, 0),
    "one key, one after the other": lambda n: ("a", 0, n),
    "one key, many priorities": lambda n: ("a", n % 20, 0),
    "many keys": lambda n: (f"k{n}", 0, 0),
    "many keys of three": lambda n: (f"k{n // 3}", 0, n),
    "one key before many": lambda n: ("a" if n % 2 else f"k{n}", n % 2, 0),
}


def work(queue: Callable[[int], tuple[str, int, int]], waiting: int) -> list[int]:
    """Steps of SQLite's machine, in hundreds, for each of some claims, when all have been looked at; each time what runs ends."""

    async def story() -> list[int]:
        clock = FakeClock()
        store = open_store("sqlite://", clock)
        hub = Hub(store, clock, 1, [])
        connection: sqlite3.Connection = store._writer._committer.connection.raw  # type: ignore[attr-defined]
        starts = []
        for n in range(waiting):
            key, priority, wait = queue(n)
            start = StartRequest(f"x{n:06}", "orders", "{}", None, clock.now(), due_at=clock.now() + wait)
            starts.append(replace(start, priority=priority, concurrency_key=key))
        await asyncio.gather(*[store.start(start) for start in starts])
        clock.advance(waiting)
        found = []
        ticks: list[None] = []
        connection.set_progress_handler(lambda: ticks.append(None), 100)
        for _ in range(12 + waiting // 400):
            ticks.clear()
            assert await hub.claim(4)
            found.append(len(ticks))
            while hub.held:
                await hub.settle(0, Status.SUCCESS)
        await store.close()
        return found[-10:]

    return asyncio.run(story())


@pytest.mark.parametrize("queue", QUEUES)
def test_a_claim_costs_the_same_however_much_is_due(queue: str) -> None:
    few, many = work(QUEUES[queue], 200), work(QUEUES[queue], 4_000)
    assert max(many) <= 2 * max(few)


def test_what_it_costs_to_look_at_all_that_is_due_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_SINK", Bulk("id:text", "SELECT 1 FROM v"))  # the planted fault
    monkeypatch.setattr(keys, "_LOOKED_AT", 5_000)
    assert max(work(QUEUES["one key"], 4_000)) > 5 * max(work(QUEUES["one key"], 200))
