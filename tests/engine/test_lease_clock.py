"""Leases are dated by the clock that all nodes share, and a node whose own clock is wrong decides on no instants."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from kit import FakeClock

from hub.engine.lease import Lease
from hub.engine.registry import Registry
from hub.engine.surroundings import Surroundings
from hub.engine.worker import Worker
from hub.model.clock import Clock, SharedClock, SystemClock
from hub.model.execution import StartRequest
from hub.model.executor import Executor, JobTarget, ScheduleTrigger
from hub.store import Store, open_store
from hub.store.claims import Claimable, ClaimRequest
from hub.triggers.schedule.loop import Scheduler

DAY_MS = 86_400_000


class Off(SystemClock):
    """A machine whose wall clock is wrong, until somebody sets it."""

    def __init__(self, by: int) -> None:
        self.by = by

    def now(self) -> int:
        return super().now() + self.by


def lease_of(store: Store, clock: Clock, node: str) -> Lease:
    worker = Worker(store, Registry(()), Surroundings(), clock, node)
    return Lease(store, clock, node, worker, seconds=15)


@pytest.mark.parametrize("by", [-DAY_MS, 3_600_000, 365 * DAY_MS])
def test_a_wrong_clock_neither_shortens_a_lease_nor_fires_a_schedule(
    postgres_url: str, by: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        clock = Off(by)
        right, wrong = open_store(postgres_url, SystemClock()), open_store(postgres_url, clock)
        first, second = lease_of(right, SystemClock(), "right"), lease_of(wrong, clock, "wrong")
        await first.take()
        with caplog.at_level(logging.INFO, logger="hub"):
            await second.take()
        assert (first.off, second.off) == (False, True)
        assert "s off the database's: schedules do not fire here" in caplog.text
        until = [node.lease_until for node in await right.nodes()]
        assert max(until) - min(until) < 5_000, "both are dated by the same clock"
        executors = [Executor("each-minute", ScheduleTrigger("* * * * *"), JobTarget("job", None))]
        scheduler = Scheduler(wrong, clock, lambda: executors, lambda: None, may_fire=lambda: not second.off)
        await scheduler.sync_definitions()
        clock.by += 120_000
        assert await scheduler.run_once() == 0
        clock.by = 0
        with caplog.at_level(logging.INFO, logger="hub"):
            await second.run_once()
        assert not second.off
        assert "is right again" in caplog.text
        await right.close()
        await wrong.close()

    asyncio.run(story())


@pytest.mark.parametrize("by", [-DAY_MS, 3_600_000, 365 * DAY_MS])
def test_a_node_whose_clock_is_wrong_wakes_nothing_too_early_or_too_late(postgres_url: str, by: int) -> None:
    async def story() -> None:
        machine = Off(by)
        clock = SharedClock(machine)
        right, wrong = open_store(postgres_url, SystemClock()), open_store(postgres_url, clock)
        worker = Worker(wrong, Registry(()), Surroundings(), clock, "wrong")
        lease = Lease(wrong, clock, "wrong", worker, seconds=15, shared=clock)
        await lease.take()
        now = SystemClock().now()
        assert lease.off, "its schedules do not fire, all the same"
        assert abs(clock.now() - now) < 600_000
        for name, due in (("due", now), ("later", now + 1_800_000)):
            await right.start(StartRequest(name, "orders", "{}", None, now, due_at=due))
        asked = ClaimRequest("wrong", (Claimable("orders", "r"),), 10, clock.now() + 1_000)
        assert [one.id for one in await wrong.claim(asked)] == ["due"]
        machine.by += 7_200_000
        assert abs(clock.now() - SystemClock().now()) < 600_000, "a step between two heartbeats changes nothing"
        await right.close()
        await wrong.close()

    asyncio.run(story())


def test_a_shared_clock_is_corrected_only_where_that_is_worth_it() -> None:
    own = FakeClock(1_000_000)
    clock = SharedClock(own)
    assert (clock.now(), clock.ahead_of_own) == (1_000_000, 0)
    clock.correct(30_000, 5)
    assert (clock.now(), clock.ahead_of_own) == (1_030_000, 30_000)
    own.advance(2)
    clock.correct(-40, 5)
    assert clock.now() == 1_032_000
    clock.correct(-60, 5)
    assert clock.now() == 1_031_940


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_on_a_file_there_is_one_clock(quick_path: Path, kind: str) -> None:
    store_url = f"sqlite:///{quick_path}/hub.db" if kind == "file" else "sqlite://"

    async def story() -> None:
        clock = FakeClock()
        store = open_store(store_url, clock)
        lease = lease_of(store, clock, "node")
        await lease.take()
        assert not lease.off
        assert [node.lease_until for node in await store.nodes()] == [clock.now() + 15_000]
        await store.close()

    asyncio.run(story())


class Standing(SystemClock):
    """A machine that has stood still for a while."""

    still = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.still


def test_a_node_that_was_silent_for_longer_than_its_lease_says_so_and_what_it_takes_over(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        clock = Standing()
        store = open_store(postgres_url, clock)
        lease = lease_of(store, clock, "node-1")
        await lease.take()
        await store.start(StartRequest("E1", "orders", "{}", None, 5))
        await store.claim(ClaimRequest("dead", (Claimable("orders", "r"),), 1, clock.now()))
        clock.still = 20.0
        with caplog.at_level(logging.INFO, logger="hub"):
            assert [await lease.run_once() for _ in range(2)] == [1, 0]
        silent, rescued = caplog.messages
        assert silent.startswith("this node has said nothing for 2"), silent
        assert rescued.endswith("go on now: 1")
        await store.close()

    asyncio.run(story())
