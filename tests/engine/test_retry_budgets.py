"""A target that comes back after an outage is not asked by all at once who have waited for it."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit import NOON, Bench, FakeClock, play

from hub import Context, RetryPolicy, job, workflow
from hub.engine.budgets import Budget, Budgets
from hub.model.execution import Status

RUNS = 1_000
#: A second.
RATE = 25
AWAY = range(10, 30)
POLICY = RetryPolicy(max_retries=10, initial_backoff="1s", max_backoff="4s")


class Outage:
    """A workflow that calls one target, which is away for twenty seconds of forty."""

    def __init__(self) -> None:
        #: Seconds since the beginning at which the target was asked.
        self.asked: list[int] = []
        self.clock = FakeClock()
        self.ended: dict[str, int] = {}

        @job(name="call-job")
        async def call(ctx: Context) -> None:
            ctx.calls("shop.example.com")
            second = (self.clock.now() - NOON) // 1000
            self.asked.append(second)
            if second in AWAY:
                raise ConnectionError("away")

        self.workflow = workflow("calling", call, retry_policy=POLICY)

    def play(self) -> int:
        """The peak of what is asked in one second once the target is back."""
        play(self._play, lambda: Bench("sqlite://", [self.workflow], clock=self.clock))
        return max(count for second, count in Counter(self.asked).items() if second >= AWAY.stop)

    async def _play(self, bench: Bench) -> None:
        for number in range(RUNS):
            await bench.start("calling")
            await self._until(bench, NOON + (number + 1) * 1000 // RATE)
        while (due := await bench.store.next_due(["calling"])) is not None:
            await self._until(bench, due)
        self.ended = await bench.store.count_by_status()

    async def _until(self, bench: Bench, moment: int) -> None:
        """Whatever is due up to then runs when it is due."""
        await bench.work()
        while (due := await bench.store.next_due(["calling"])) is not None and due < moment:
            self.clock.ms = due
            await bench.work()
        self.clock.ms = moment
        await bench.work()


def test_it_is_asked_at_most_twice_as_often_as_before():
    outage = Outage()
    assert outage.play() <= 2 * RATE
    assert outage.ended == {Status.SUCCESS.value: RUNS}


def test_all_who_come_at_once_would_be_seen(monkeypatch):
    monkeypatch.setattr(Budgets, "book", lambda _self, _target, due, _now: due)
    assert Outage().play() > 2 * RATE


@given(
    firsts=st.lists(st.integers(0, 400), max_size=15),
    waits=st.lists(st.integers(0, 5_000), min_size=1, max_size=200),
    passing=st.integers(0, 200),
)
def test_no_second_has_more_than_its_share(firsts, waits, passing):
    budget, now = Budget(), NOON
    for count in firsts:
        for _ in range(count):
            budget.count(now)
        now += 1000
    room = max(10, sum(firsts[-10:]) // 20)
    booked: Counter[int] = Counter()
    for wait in waits:
        due = budget.book(now + wait, now)
        assert due >= now + wait, "never earlier"
        booked[due // 1000] += 1
        if due != now + wait:
            passed = range((now + wait) // 1000, due // 1000)
            assert all(booked[second] >= 10 for second in passed), "no later than it has to be"
        now += passing
    assert max(booked.values()) <= max(room, 10)


def test_targets_do_not_share_a_budget():
    budgets = Budgets()
    for _ in range(50):
        budgets.book("one", NOON, NOON)
    assert budgets.book("one", NOON, NOON) == NOON + 5_000 + 0
    assert budgets.book("two", NOON, NOON) == NOON


def test_a_long_queue_costs_the_next_one_nothing():
    """Seconds that are full are not looked at one by one."""
    budget = Budget()
    for _ in range(50_000):
        budget.book(NOON, NOON)
    assert len(budget._beyond) <= 5_001
    before = dict(budget._beyond)
    budget.book(NOON, NOON)
    assert sum(budget._beyond[second] != before.get(second) for second in budget._beyond) <= 2


@pytest.mark.parametrize("attempt", [1, 2])
def test_only_first_tries_give_room(attempt):
    """Retries that gave room for further retries would let a flood through."""
    counted: list[str] = []

    @job(retry=RetryPolicy(max_retries=1, initial_backoff="1ms"))
    async def call(ctx: Context) -> None:
        if ctx.attempt == attempt:
            ctx.calls("shop.example.com")
        if ctx.attempt == 1:
            raise ConnectionError

    @job(name="main-job")
    async def main() -> None:
        await call.trigger()

    async def story(bench: Bench) -> None:
        bench.worker._budgets.count = lambda target, _now: counted.append(target)  # type: ignore[method-assign]
        await bench.succeed("calling")

    play(story, lambda: Bench("sqlite://", [workflow("calling", main)]))
    assert counted == ["shop.example.com"] * (attempt == 1)


@pytest.mark.parametrize("nested", [False, True], ids=["its own call", "a call behind it"])
def test_the_retry_of_an_execution_waits_for_room(nested):
    @job
    async def call(ctx: Context) -> None:
        ctx.calls("shop.example.com")
        raise ConnectionError

    @job(name="main-job")
    async def main(ctx: Context) -> None:
        if nested:
            await call.trigger()
        ctx.calls("shop.example.com")
        raise ConnectionError

    async def story(bench: Bench) -> None:
        for _ in range(40):
            bench.worker._budgets.book("shop.example.com", NOON, NOON)
        record = await bench.run("calling")
        assert record.status is Status.PENDING_RETRY
        assert record.due_at == NOON + 4_000
        assert record.reason == "retry 1 of 3 in 4s: ConnectionError" or nested

    policy = RetryPolicy(initial_backoff="1ms")
    play(story, lambda: Bench("sqlite://", [workflow("calling", main, retry_policy=policy)]))
