"""Many nodes check the same schedules on one PostgreSQL: each slot fires once, whoever is killed and whose clock jumps."""

from __future__ import annotations

import asyncio
import random

import pytest
from kit import FakeClock

from hub.model.clock import from_iso
from hub.model.executor import Executor, JobTarget, ScheduleTrigger
from hub.store import Store, open_store
from hub.triggers.schedule.loop import Scheduler

NODES = 5
MINUTE = 60_000
BEGIN = from_iso("2026-05-04T12:00")
EXECUTORS = [
    Executor(name, ScheduleTrigger(cron, missed="all", missed_max=1000), JobTarget("job", None))
    for name, cron in (("each-minute", "* * * * *"), ("each-other", "*/2 * * * *"))
]


class Node:
    """A store, a clock of its own, and a scheduler on both."""

    def __init__(self, url: str, clock: FakeClock) -> None:
        self.clock = clock
        self.store: Store = open_store(url, clock)
        self.scheduler = Scheduler(self.store, clock, lambda: EXECUTORS, lambda: None)


async def _fire(url: str, slots: int, seed: int) -> None:
    choose = random.Random(seed)
    nodes = [Node(url, FakeClock(BEGIN)) for _ in range(NODES)]
    await asyncio.gather(*[node.scheduler.sync_definitions() for node in nodes])
    for minute in range(1, slots + 1):
        for node in nodes:
            # Their clocks are a little apart, and one of them is sometimes set.
            node.clock.ms = BEGIN + minute * MINUTE + choose.randint(0, 900)
        if choose.random() < 0.05:
            choose.choice(nodes).clock.ms += choose.choice([-3_600_000, -90_000, 30_000])
        await asyncio.gather(*[node.scheduler.run_once() for node in nodes])
        if choose.random() < 0.1:  # one ends, another one takes its place
            place = choose.randrange(NODES)
            await nodes[place].store.close()
            nodes[place] = Node(url, FakeClock(nodes[place].clock.ms))
            await nodes[place].scheduler.sync_definitions()
    for node in nodes:
        node.clock.ms = BEGIN + slots * MINUTE + 1_000
    await asyncio.gather(*[node.scheduler.run_once() for node in nodes])
    fired = [(event.source, event.time) for event in await nodes[0].store.events(limit=100_000)]
    wanted = [("schedule:each-minute", BEGIN + number * MINUTE) for number in range(1, slots + 1)]
    wanted += [("schedule:each-other", BEGIN + number * MINUTE) for number in range(2, slots + 1, 2)]
    assert sorted(fired) == sorted(wanted)
    for node in nodes:
        await node.store.close()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("slots", [100, pytest.param(10_000, marks=pytest.mark.long)])
def test_no_slot_is_missing_and_none_fires_twice(postgres_url: str, slots: int) -> None:
    asyncio.run(_fire(postgres_url, slots, random.SystemRandom().randrange(1 << 30)))
