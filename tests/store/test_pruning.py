"""Retention: old things go, what is open or young stays, and everything that hangs on them goes with them."""

import asyncio

from kit import FakeClock

from hub.assembly.retention import Pruner
from hub.declare.config import Retention
from hub.model.clock import first_id, new_id
from hub.model.event import Delivery, NewEvent, Outcome, delivery_id
from hub.model.execution import LogLine, Settled, StartRequest, Status
from hub.store import open_store
from hub.store.checkpoints import LogWrite
from hub.store.claims import Claimable, ClaimRequest
from hub.store.events import Dispatched
from hub.store.nodes import About

DAY = 86_400_000


async def _event(store, key):
    stored = await store.store_event(NewEvent("webhook:x", key, "webhook", 1, {}, executors=("x",)))
    delivery = Delivery(delivery_id(stored.id, "x"), stored.id, "x", Outcome.FILTERED, "no.", 1)
    await store.dispatch(Dispatched(stored.id, (delivery,), ()))
    return stored.id


async def _ended(store, clock):
    request = StartRequest(new_id(clock.now()), "some-flow", "{}", None, clock.now())
    await store.start(request)
    (claimed,) = await store.claim(ClaimRequest("n", (Claimable("some-flow", "r"),), 10, clock.now()))
    store.log(LogWrite(claimed.epoch, LogLine(claimed.id, "p", clock.now(), "INFO", "line")))
    await store.settle(Settled(claimed.id, claimed.epoch, Status.SUCCESS, clock.now(), result="1"))
    return claimed.id


def test_what_is_older_than_its_retention_goes_with_everything_that_hangs_on_it():
    async def story():
        clock = FakeClock()
        store = open_store("sqlite://", clock)
        old_event, old_run = await _event(store, "1"), await _ended(store, clock)
        open_run = StartRequest(new_id(clock.now()), "other-flow", "{}", None, clock.now())
        await store.start(open_run)
        undispatched = (await store.store_event(NewEvent("webhook:x", "2", "webhook", 1, {}, executors=("x",)))).id
        clock.advance(31 * 86_400)
        young_event, young_run = await _event(store, "3"), await _ended(store, clock)
        pruner = Pruner(store, clock, Retention(events=30 * DAY, executions=30 * DAY))
        assert await pruner.run_once() == 2
        assert not pruner.under_way
        assert await store.event(old_event) is None
        assert await store.deliveries(event_ids=[old_event]) == []
        assert await store.execution(old_run) is None
        assert await store.logs(old_run) == []
        assert await store.event(undispatched) is not None, "nothing accepted is forgotten before it was dispatched"
        assert (await store.execution(open_run.id)).status is Status.PENDING
        assert await store.event(young_event) is not None
        assert len(await store.deliveries(event_ids=[young_event])) == 1
        assert await store.execution(young_run) is not None
        assert len(await store.logs(young_run)) == 1
        assert await pruner.run_once() == 0
        await store.close()

    asyncio.run(story())


def test_a_node_that_fell_silent_long_ago_is_forgotten():
    async def story():
        clock = FakeClock()
        store = open_store("sqlite://", clock)
        await store.beat("dead", About("host", 1), 15_000)
        clock.advance(86_000)
        await store.beat("alive", About("host", 2), 15_000)
        assert [node.id for node in await store.nodes()] == ["alive", "dead"]
        clock.advance(1_000)
        await store.beat("alive", About("host", 2), 15_000)
        assert [node.id for node in await store.nodes()] == ["alive"]
        await store.close()

    asyncio.run(story())


def test_a_sweep_goes_in_portions_to_the_edge():
    async def story():
        clock = FakeClock()
        store = open_store("sqlite://", clock)
        for number in range(1_100):
            await _event(store, str(number))
        clock.advance(2 * 86_400)
        pruner = Pruner(store, clock, Retention(events=DAY, executions=DAY))
        portions = [await pruner.run_once()]
        while pruner.under_way:
            portions.append(await pruner.run_once())
        assert portions == [500, 500, 100]
        assert await store.events() == []
        await store.close()

    asyncio.run(story())


def test_the_first_id_of_a_moment_divides_ids_by_time():
    moment = 1_800_000_000_000
    assert new_id(moment - 1) < first_id(moment) <= new_id(moment)
