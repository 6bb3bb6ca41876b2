"""Priority, debounce and rate limits: what begins first, what takes whose place, and what waits for its turn."""

from __future__ import annotations

import pytest
from crashing import at_commit, move_in, one_life
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit import Bench, StillClock, play

from hub import ConcurrencyPolicy, Context, Debounce, RateLimit, job, workflow
from hub.engine.starting import start_request
from hub.model.clock import iso
from hub.model.errors import BadInput
from hub.model.execution import Status


def noting(**policies):
    """A workflow whose executions note when they ran, and with what."""
    ran: list[tuple[int, object]] = []

    @job(name="main-job")
    async def main(input: dict) -> None:
        ran.append((clock.now(), input.get("n")))

    clock = StillClock()
    return workflow("pacing", main, **policies), ran, clock


async def _start(bench: Bench, *, key: str | None = None, priority: int | None = None, **args: object) -> str:
    request = start_request(
        bench.registry,
        bench.surroundings,
        bench.clock,
        workflow="pacing",
        args=args,
        invoker=None,
        requested_by="test",
        idempotency_key=key,
        priority=priority,
    )
    return (await bench.store.start(request)).id


def test_the_higher_priority_begins_first_and_a_start_may_have_its_own(tell):
    flow, ran, clock = noting(priority=5, concurrency_policy=ConcurrencyPolicy(1))

    async def story(bench: Bench) -> None:
        for number, priority in enumerate([None, 10, -1, None, 10]):
            await _start(bench, n=number, priority=priority)
            clock.advance(0.001)
        await bench.work()
        assert [number for _, number in ran] == [1, 4, 0, 3, 2]
        with pytest.raises(BadInput, match="from -1000 to 1000"):
            await _start(bench, priority=2000)

    tell(story, flow, clock=clock)


def test_of_starts_that_follow_each_other_the_last_one_runs(tell):
    flow, ran, clock = noting(debounce=Debounce("5s", key="input.of"))

    async def story(bench: Bench) -> None:
        began = clock.now()
        ids = []
        for number in range(3):
            ids.append(await _start(bench, of="a", n=number))
            await bench.work()
            clock.advance(3)
        other = await _start(bench, of="b", n=10)
        records = [await bench.record(one) for one in ids]
        assert [one.status for one in records] == [Status.CANCELED, Status.CANCELED, Status.PENDING]
        assert [one.reason for one in records] == [
            f"execution {ids[1]} took its place (debounce)",
            f"execution {ids[2]} took its place (debounce)",
            f"until {iso(began + 11_000)} a later start takes its place (debounce)",
        ]
        await bench.work()
        assert ran == []
        clock.ms = began + 11_000
        await bench.work()
        assert ran == [(began + 11_000, 2)]
        assert (await bench.record(other)).status is Status.PENDING
        # Its period is over: the next start is one of its own.
        again = await _start(bench, of="a", n=3)
        assert (await bench.record(ids[2])).status is Status.SUCCESS
        assert (await bench.record(again)).status is Status.PENDING

    tell(story, flow, clock=clock)


def test_a_stream_of_starts_cannot_put_it_off_for_ever(tell):
    flow, ran, clock = noting(debounce=Debounce("5s", longest="12s"))

    async def story(bench: Bench) -> None:
        began = clock.now()
        for number in range(12):
            await _start(bench, n=number)
            clock.advance(2)
            await bench.work()
        assert [moment - began for moment, _ in ran] == [12_000, 24_000]

    tell(story, flow, clock=clock)


def test_a_repeated_start_takes_nobodys_place(tell):
    flow, _, clock = noting(debounce=Debounce("5s"))

    async def story(bench: Bench) -> None:
        first = await _start(bench, n=1, key="same")
        clock.advance(1)
        assert await _start(bench, n=2, key="same") == first
        record = await bench.record(first)
        assert (record.status, record.args) == (Status.PENDING, {"n": 1})

    tell(story, flow, clock=clock)


def test_who_waits_for_one_whose_place_was_taken_is_told(tell):
    flow, _, clock = noting(debounce=Debounce("5s"))

    @job(name="parent-job")
    async def parent_job(ctx: Context) -> str:
        try:
            return await ctx.step.invoke("pacing", {})
        except Exception as error:
            return str(error)

    async def story(bench: Bench) -> None:
        parent = await bench.start("parent-flow")
        await bench.work()
        await _start(bench, n=2)
        await bench.work()
        assert "was canceled" in (await bench.record(parent)).result

    tell(story, flow, workflow("parent-flow", parent_job), clock=clock)


def test_so_many_begin_and_the_others_wait_for_their_turn(tell):
    flow, ran, clock = noting(rate_limit=RateLimit(2, "1m", key="input.of"))

    async def story(bench: Bench) -> None:
        began = clock.now()
        ids = [await _start(bench, of="a", n=number) for number in range(5)]
        other = await _start(bench, of="b", n=10)
        await bench.work()
        assert sorted(number for _, number in ran) == [0, 1, 10]
        record = await bench.record(ids[4])
        assert (record.status, record.due_at) == (Status.PENDING, began + 120_000)
        assert (
            record.reason == f'at most 2 begin in 1m for the key "a": this one at {iso(began + 120_000)} (rate limit)'
        )
        assert (await bench.record(other)).status is Status.SUCCESS
        for _ in range(4):
            clock.advance(30)
            await bench.work()
        assert [moment - began for moment, _ in ran] == [0, 0, 0, 60_000, 60_000, 120_000]

    tell(story, flow, clock=clock)


def test_after_an_outage_what_is_overdue_does_not_begin_at_once(tell):
    flow, ran, clock = noting(rate_limit=RateLimit(2, "1m"))

    async def story(bench: Bench) -> None:
        for number in range(7):
            await _start(bench, n=number)
        clock.advance(3600)
        began = clock.now()
        for _ in range(8):
            await bench.work()
            clock.advance(30)
        assert sorted(moment - began for moment, _ in ran) == [0, 0, 60_000, 60_000, 120_000, 120_000, 180_000]
        assert sorted(number for _, number in ran) == list(range(7))

    tell(story, flow, clock=clock)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    limit=st.integers(1, 3),
    period=st.integers(1, 40),
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60), st.booleans()), max_size=12),
)
def test_within_no_time_of_its_length_do_more_begin(limit, period, steps):
    flow, ran, clock = noting(rate_limit=RateLimit(limit, f"{period}s"))

    async def story(bench: Bench) -> None:
        started = 0
        for starts, pause, works in steps:
            for _ in range(starts):
                await _start(bench, n=started)
                started += 1
            if works:
                await bench.work()
            clock.advance(pause)
        for _ in range(started + 1):
            await bench.work()
            clock.advance(period)
        moments = sorted(moment for moment, _ in ran)
        assert len(moments) == started, "none is dropped"
        for early, late in zip(moments, moments[limit:], strict=False):
            assert late - early >= period * 1000

    play(story, lambda: Bench("sqlite://", [flow], clock=clock))


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_that_ends_at_a_start_leaves_one_pending(quick_path, moment):
    flow, ran, clock = noting(debounce=Debounce("5s"), rate_limit=RateLimit(1, "1m"))
    url = f"sqlite:///{quick_path}/hub.db"

    async def first(bench: Bench) -> None:
        await move_in(bench)
        await _start(bench, n=1)
        await _start(bench, n=2)

    crashed, _ = one_life(Bench(url, [flow], clock=clock, inline=True), first, at_commit("start", moment, 2))
    assert crashed

    async def second(bench: Bench) -> None:
        await move_in(bench)
        clock.advance(5)
        await bench.work()
        left = sorted(record.status for record in await bench.store.executions())
        assert left == ([Status.SUCCESS] if moment == "before" else [Status.CANCELED, Status.SUCCESS])
        assert [number for _, number in ran] == [1 if moment == "before" else 2]

    play(second, lambda: Bench(url, [flow], clock=clock, node="node-2"))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Debounce("0s"), "from 1ms to 31d"),
        (lambda: Debounce("32d"), "from 1ms to 31d"),
        (lambda: Debounce("5s", longest="1s"), "shorter than period"),
        (lambda: Debounce("5s", key="order_id"), "a path into the input"),
        (lambda: RateLimit(0, "1m"), "from 1 to 10000"),
        (lambda: RateLimit(1, "0ms"), "from 1ms to 31d"),
        (lambda: RateLimit(1, "1m", key="input..x"), "a path into the input"),
        (lambda: noting(priority=1.5), "a whole number"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_is_written(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_policies_can_be_read():
    assert repr(Debounce("5s", "input.x", "1m")) == "Debounce('5s', key='input.x', longest='1m')"
    assert repr(RateLimit(10, "1m")) == "RateLimit(10, '1m', key=None)"
