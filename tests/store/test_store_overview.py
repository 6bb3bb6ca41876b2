"""The store at a glance: counts, failures and what comes next, the same on every database."""

from __future__ import annotations

from kit import FakeClock, play_on_store

from hub.model.clock import new_id
from hub.model.event import Delivery, NewEvent, Outcome, delivery_id
from hub.model.execution import StartRequest
from hub.model.schedule import StoredSchedule
from hub.store import Store
from hub.store.events import Dispatched

HOUR = 3_600_000


async def happen(store: Store, clock: FakeClock, source: str, outcome: Outcome) -> tuple[str, str]:
    """An event whose one delivery starts an execution in any case: its id, and the execution's."""
    now = clock.now()
    event = await store.store_event(NewEvent(source, None, "x", now, {}))
    start = StartRequest(new_id(now), "greeting", "{}", None, now, executor="hook", event_id=event.id)
    delivery = Delivery(delivery_id(event.id, "hook"), event.id, "hook", outcome, "because.", now, start.id)
    await store.dispatch(Dispatched(event.id, (delivery,), (start,)))
    return event.id, start.id


def test_counts_are_of_their_stretch_of_time(store_url: str) -> None:
    async def story(store: Store, clock: FakeClock) -> None:
        begin = clock.now()
        await happen(store, clock, "webhook:hook", Outcome.STARTED)
        await happen(store, clock, "record:shop", Outcome.FILTERED)
        clock.advance(HOUR / 1000)
        await happen(store, clock, "webhook:hook", Outcome.FAILED)
        assert await store.sources_between(begin, begin + HOUR) == {"webhook:hook": 1, "record:shop": 1}
        assert await store.sources_between(begin + HOUR, begin + 2 * HOUR) == {"webhook:hook": 1}
        assert await store.sources_between(0, begin) == {}
        first = await store.outcomes_between(begin, begin + HOUR)
        assert {name: count for name, count in first.items() if count} == {"started": 1, "filtered": 1}
        second = await store.outcomes_between(begin + HOUR, begin + 2 * HOUR)
        assert {name: count for name, count in second.items() if count} == {"failed": 1}

    play_on_store(store_url, story)


def test_failures_are_the_latest_first_and_within_bounds(store_url: str) -> None:
    async def story(store: Store, clock: FakeClock) -> None:
        begin = clock.now()
        old, _ = await happen(store, clock, "webhook:hook", Outcome.FAILED)
        clock.advance(HOUR / 1000)
        new, _ = await happen(store, clock, "webhook:hook", Outcome.FAILED)
        await happen(store, clock, "webhook:hook", Outcome.STARTED)
        assert [one.event_id for one in await store.failed_deliveries(begin, 10)] == [new, old]
        assert [one.event_id for one in await store.failed_deliveries(begin, 1)] == [new]
        assert [one.event_id for one in await store.failed_deliveries(begin + HOUR, 10)] == [new]
        assert await store.failed_executions(begin, 10) == []

    play_on_store(store_url, story)


def test_executions_are_found_by_their_ids(store_url: str) -> None:
    async def story(store: Store, clock: FakeClock) -> None:
        _, one = await happen(store, clock, "webhook:hook", Outcome.STARTED)
        clock.advance(1)
        _, other = await happen(store, clock, "webhook:hook", Outcome.STARTED)
        await store.cancel(other)
        assert await store.statuses([one, other, "none"]) == {one: "PENDING", other: "CANCELED"}
        assert [found.id for found in await store.executions_with_ids([one, other, "none"])] == [other, one]
        assert await store.children_of(one, 10) == []

    play_on_store(store_url, story)


def test_the_oldest_event_that_waits_and_the_schedules_that_come_next(store_url: str) -> None:
    async def story(store: Store, clock: FakeClock) -> None:
        assert await store.oldest_new_event() is None
        await happen(store, clock, "webhook:hook", Outcome.STARTED)
        assert await store.oldest_new_event() is None
        waiting = clock.now()
        await store.store_event(NewEvent("webhook:hook", None, "x", waiting, {}))
        clock.advance(5)
        await store.store_event(NewEvent("webhook:hook", None, "x", clock.now(), {}))
        assert await store.oldest_new_event() == waiting
        rows = [
            StoredSchedule(name, "", at) for name, at in [("late", 300), ("soon", 100), ("never", None), ("next", 200)]
        ]
        await store.put_schedules(rows, ())
        await store.pause("soon", paused=True)
        found = await store.next_schedules(2)
        assert [(row.executor, row.next_fire_at, row.paused) for row in found] == [
            ("soon", 100, True),
            ("next", 200, False),
        ]

    play_on_store(store_url, story)
