"""A server or a network that is away for a while: everybody is told in time, nothing is lost, and then it goes on."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from contextlib import suppress
from itertools import count

import psycopg
import pytest
from kit import PATIENCE, Bench, until
from postgres_cluster import Cluster
from postgres_proxy import Proxy
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from hub.engine.lease import Lease
from hub.model.clock import SystemClock
from hub.model.errors import StoreUnavailable
from hub.model.event import NewEvent
from hub.model.execution import StartRequest
from hub.store import open_store
from hub.store.dialects import postgres_link
from hub.store.dialects.postgres_hosts import hosts_of
from hub.store.dialects.postgres_link import Link


def request(number: int) -> StartRequest:
    return StartRequest(f"E{number:05}", "orders", "{}", None, 5, idempotency_key=f"key-{number}")


def test_a_link_that_swallows_everything_keeps_nobody_past_their_time(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_link, "REPLY_SECONDS", PATIENCE)

    async def story() -> None:
        store = open_store(proxy.url, SystemClock())
        await store.store_event(NewEvent("webhook:x", "0", "webhook", 1, {}), timeout=PATIENCE)
        proxy.swallow = True
        hasty = [
            store.store_event(NewEvent("webhook:x", str(number), "webhook", 1, {}), timeout=0.4)
            for number in range(1, 9)
        ]
        answers = await asyncio.gather(*hasty, return_exceptions=True)
        assert all(isinstance(answer, StoreUnavailable) for answer in answers)
        assert all("or be written yet. Look before you try again" in str(answer) for answer in answers)
        patient = asyncio.create_task(store.pause("patient", paused=True))
        await asyncio.sleep(0.3)
        proxy.swallow = False
        proxy.reset()
        await asyncio.wait_for(patient, PATIENCE)
        assert await store.paused_executors() == {"patient"}
        await store.store_event(NewEvent("webhook:x", "9", "webhook", 1, {}), timeout=PATIENCE)
        await store.close()

    asyncio.run(story())


def test_a_node_that_cannot_reach_the_database_begins_nothing_after_two_thirds_of_its_lease(proxy: Proxy) -> None:
    async def story() -> None:
        bench = Bench(proxy.url, [], clock=SystemClock())  # type: ignore[arg-type]
        lease = Lease(bench.store, bench.clock, bench.node, bench.worker, seconds=1.2)
        await lease.take()
        stop = asyncio.Event()
        serving = asyncio.create_task(lease.serve(stop))
        gate = bench.worker._gate
        await until(lambda: gate.open)
        proxy.swallow = True
        await until(lambda: not gate.open)
        assert bench.clock.monotonic() - lease._renewed >= 0.8, "it is open for two thirds of the lease"
        proxy.swallow = False
        proxy.reset()
        await until(lambda: gate.open)
        stop.set()
        await serving
        await bench.close()

    asyncio.run(story())


@pytest.mark.parametrize("how", ["reset", "refuse", "delay"])
def test_the_hub_goes_on_when_the_network_does(proxy: Proxy, how: str) -> None:
    async def story() -> None:
        store = open_store(proxy.url, SystemClock())
        acknowledged: list[int] = []
        stop = asyncio.Event()

        async def load(place: int) -> None:
            number = place
            while not stop.is_set():
                started = await store.start(request(number))
                assert started.created
                acknowledged.append(number)
                number += 10

        loads = [asyncio.create_task(load(place)) for place in range(10)]
        for _ in range(3):
            await asyncio.sleep(0.15)
            if how == "delay":
                proxy.delay = 0.02
            if how == "refuse":
                proxy.refuse = True
            if how in ("reset", "refuse"):
                proxy.reset()
            await asyncio.sleep(0.15)
            proxy.refuse, proxy.delay = False, 0.0
        before = len(acknowledged)
        await until(lambda: len(acknowledged) > before)  # it goes on
        stop.set()
        await asyncio.wait_for(asyncio.gather(*loads), PATIENCE)
        found = {record.id for record in await store.executions(limit=100_000)}
        assert found == {f"E{number:05}" for number in acknowledged}
        await store.close()

    asyncio.run(story())


def test_the_server_is_killed_stopped_and_restarted_under_load() -> None:
    cluster = Cluster()

    async def story() -> None:
        store = open_store(cluster.url(), SystemClock())
        acknowledged: set[int] = set()
        stop = asyncio.Event()
        gaps: list[float] = []
        last = time.monotonic()

        async def load(place: int) -> None:
            nonlocal last
            number = place
            while not stop.is_set():
                started = await store.start(request(number))
                assert started.created, "nobody else has this key"
                acknowledged.add(number)
                last = time.monotonic()
                number += 20

        loads = [asyncio.create_task(load(place)) for place in range(20)]
        for how in ("kill", "immediate", "fast"):
            await asyncio.sleep(random.uniform(0.2, 0.5))
            if how == "kill":
                await asyncio.to_thread(cluster.kill)
                await asyncio.to_thread(cluster.start)
            else:
                await asyncio.to_thread(cluster.restart, how)
            accepts = time.monotonic()
            while last < accepts:
                await asyncio.sleep(0.01)
                assert time.monotonic() - accepts < PATIENCE
            gaps.append(time.monotonic() - accepts)
        stop.set()
        await asyncio.wait_for(asyncio.gather(*loads), PATIENCE)
        found = {record.id for record in await store.executions(limit=100_000)}
        assert found == {f"E{number:05}" for number in acknowledged}
        print(f"{len(acknowledged)} acknowledged, normal again after {[f'{gap:.2f}' for gap in gaps]} s")  # noqa: T201
        await store.close()

    try:
        asyncio.run(story())
    finally:
        cluster.stop()


def test_a_host_that_is_silent_keeps_nobody_from_the_next_one(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machine has vanished, and another one was made the primary."""
    monkeypatch.setattr(postgres_link, "CONNECT_SECONDS", 2.0)
    given = conninfo_to_dict(postgres_url)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        link = Link(make_conninfo(postgres_url, host=f"127.0.0.1,{given['host']}", port=f"{port},5432"))
        assert link.simple("SELECT 1") == [("1",)]
        link.close()


def test_an_address_of_several_hosts_is_one_for_each() -> None:
    one = "postgresql://hub:secret@db.example.com/hub"
    assert hosts_of(one) == [one]
    two = hosts_of("postgresql://hub:secret@a,b:5433/hub?target_session_attrs=read-write")
    assert [conninfo_to_dict(each) for each in two] == [
        {"user": "hub", "password": "secret", "host": host, "dbname": "hub", "target_session_attrs": "read-write"}
        | port
        for host, port in (("a", {}), ("b", {"port": "5433"}))
    ]


@pytest.mark.parametrize("refusals", [3, pytest.param(12, marks=pytest.mark.long)])
def test_somebody_locks_the_tables(postgres_url: str, refusals: int) -> None:
    """For a while nobody can write: all are told in time, nothing is lost, and then it goes on."""

    async def story() -> None:
        store = open_store(postgres_url, SystemClock())
        await store.start(request(0))
        with psycopg.connect(postgres_url) as holder:
            holder.execute("LOCK TABLE events, executions IN ACCESS EXCLUSIVE MODE")
            for number in range(refusals):  # each is told while the lock is held: only then it is let go
                with pytest.raises(StoreUnavailable):
                    await store.store_event(NewEvent("webhook:x", str(number), "webhook", 1, {}), timeout=0.5)
            holder.rollback()
        acknowledged: set[str] = set()
        async with asyncio.timeout(PATIENCE):
            for number in count(refusals):
                if len(acknowledged) > 10:
                    break  # it went on by itself
                with suppress(StoreUnavailable):
                    stored = await store.store_event(NewEvent("webhook:x", str(number), "webhook", 1, {}), timeout=0.5)
                    acknowledged.add(stored.id)
        assert acknowledged <= {event.id for event in await store.new_events(limit=100_000)}
        await store.close()

    asyncio.run(story())
