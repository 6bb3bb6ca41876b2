from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from kit import PATIENCE

from hub.model.clock import SystemClock, from_iso, iso
from hub.model.errors import StoreUnavailable
from hub.model.event import NewEvent, Outcome
from hub.model.executor import EventTrigger, Executor, JobTarget, ScheduleTrigger
from hub.model.schedule import Slot, StoredSchedule
from hub.triggers.schedule.cron import parse
from hub.triggers.schedule.loop import Scheduler
from hub.triggers.schedule.ticking import Ticking

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOON = from_iso("2026-05-04T12:00")


class HandClock:
    """A clock that a test moves. Its monotonic time goes on even when the wall clock is set."""

    def __init__(self, now: int = NOON) -> None:
        self.wall = now
        self.since_start = 0.0

    def now(self) -> int:
        return self.wall

    def monotonic(self) -> float:
        return self.since_start

    async def sleep(self, seconds: float) -> None:
        self.forward(round(seconds * 1000))

    def forward(self, ms: int) -> None:
        self.wall += ms
        self.since_start += ms / 1000

    def set(self, now: int) -> None:
        self.wall = now


class Pages:
    """Stands in for the store behind the port: what a store promises, on dicts."""

    def __init__(self) -> None:
        self.rows: dict[str, StoredSchedule] = {}
        self.slots: dict[tuple[str, int], Slot] = {}
        self.events: list[NewEvent] = []
        self.writes = 0

    async def schedules(self) -> list[StoredSchedule]:
        return list(self.rows.values())

    async def put_schedules(self, rows, gone) -> None:
        self.writes += 1
        self.rows.update({row.executor: row for row in rows})
        for name in gone:
            self.rows.pop(name, None)

    async def due_schedules(self, now: int, limit: int) -> list[StoredSchedule]:
        found = [row for row in self.rows.values() if row.next_fire_at is not None and row.next_fire_at <= now]
        return sorted(found, key=lambda row: row.next_fire_at or 0)[:limit]

    async def record_slots(self, executor, slots, next_fire_at, expected) -> int:
        await asyncio.sleep(0)
        new = [slot for slot in slots if (executor, slot.at) not in self.slots]
        self.slots.update({(executor, slot.at): slot for slot in new})
        self.events += [slot.event for slot in new if slot.event is not None]
        if (row := self.rows.get(executor)) is not None and row.next_fire_at == expected:
            self.rows[executor] = replace(row, next_fire_at=next_fire_at)
        return len(new)


def executor(name="nightly", *, disabled=False, **trigger):
    return Executor(
        name, ScheduleTrigger(**{"cron": "0 * * * *", **trigger}), JobTarget("job", None), disabled=disabled
    )


class Hub:
    """A scheduler with its surroundings."""

    def __init__(self, *executors: Executor, pages: Pages | None = None, clock: HandClock | None = None) -> None:
        self.clock = clock or HandClock()
        self.pages = pages or Pages()
        self.executors = list(executors)
        self.woken = 0
        self.scheduler = Scheduler(self.pages, self.clock, lambda: self.executors, self.wake)

    def wake(self) -> None:
        self.woken += 1

    def sync(self) -> int:
        return asyncio.run(self.scheduler.sync_definitions())

    def check(self) -> int:
        return asyncio.run(self.scheduler.run_once())

    def drain(self) -> int:
        total, new = 0, 1
        while new:
            new = self.check()
            total += new
        return total

    @property
    def next(self) -> int | None:
        return self.pages.rows["nightly"].next_fire_at

    @property
    def outcomes(self) -> dict[int, Outcome | None]:
        return {at: slot.outcome for (_, at), slot in sorted(self.pages.slots.items())}


def test_a_slot_is_recorded_with_its_event_and_dispatch_is_woken():
    hub = Hub(executor())
    assert hub.sync() == 1
    assert hub.check() == 0
    hub.clock.forward(HOUR + 20)
    assert hub.check() == 1
    assert hub.pages.events == [
        NewEvent(
            source="schedule:nightly",
            key="2026-05-04T13:00:00.000Z",
            type="schedule",
            time=NOON + HOUR,
            payload={
                "scheduledTime": "2026-05-04T13:00:00.000Z",
                "previousTime": "2026-05-04T12:00:00.000Z",
                "nextTime": "2026-05-04T14:00:00.000Z",
            },
            executors=("nightly",),
        )
    ]
    assert hub.next == NOON + 2 * HOUR
    assert hub.woken == 1
    assert hub.check() == 0
    assert hub.woken == 1


def test_a_restart_recomputes_nothing_and_loses_nothing():
    first = Hub(executor(missed="all"))
    first.sync()
    writes = first.pages.writes
    later = Hub(executor(missed="all"), pages=first.pages, clock=HandClock(NOON + 3 * HOUR))
    assert later.sync() == 0
    assert first.pages.writes == writes
    later.check()
    assert list(later.outcomes) == [NOON + HOUR, NOON + 2 * HOUR, NOON + 3 * HOUR]
    assert len(later.pages.events) == 3


def test_a_changed_cron_or_zone_begins_from_now_and_a_changed_policy_does_not():
    hub = Hub(executor())
    hub.sync()
    hub.clock.forward(5 * HOUR)
    hub.executors = [executor(missed="skip", jitter=MINUTE)]
    assert hub.sync() == 0
    hub.executors = [executor(cron="30 * * * *")]
    assert hub.sync() == 1
    assert hub.next == NOON + 5 * HOUR + 30 * MINUTE
    hub.executors = [executor(cron="30 * * * *", timezone="Asia/Kolkata")]
    assert hub.sync() == 1
    assert hub.next == NOON + 6 * HOUR
    hub.executors = [executor(cron="30 * * * *", timezone="Asia/Kolkata", start=NOON + DAY)]
    assert hub.sync() == 1
    assert hub.next == NOON + DAY


def test_an_edit_keeps_the_pause():
    hub = Hub(executor())
    hub.sync()
    hub.pages.rows["nightly"] = replace(hub.pages.rows["nightly"], paused=True)
    hub.executors = [executor(cron="*/5 * * * *")]
    hub.sync()
    assert hub.pages.rows["nightly"].paused


def test_disabled_executors_and_other_triggers_have_no_row_and_no_slot():
    event = Executor("orders", EventTrigger("shop", ("record.created",), "orders"), JobTarget("job", None))
    hub = Hub(executor(), executor("hourly"), event)
    assert hub.sync() == 2
    hub.executors = [executor(disabled=True), event]
    hub.clock.forward(2 * HOUR)
    assert hub.check() == 0, "before the rows are gone"
    assert hub.sync() == 2
    assert hub.pages.rows == {}
    assert hub.check() == 0
    assert hub.pages.slots == {}


def test_a_row_of_another_definition_waits_for_whoever_wrote_it():
    hub = Hub(executor())
    hub.sync()
    stale = Hub(executor(cron="*/5 * * * *"), pages=hub.pages, clock=hub.clock)
    hub.clock.forward(HOUR)
    assert stale.check() == 0
    assert hub.check() == 1


def test_a_paused_schedule_records_and_does_not_fire():
    hub = Hub(executor())
    hub.sync()
    hub.pages.rows["nightly"] = replace(hub.pages.rows["nightly"], paused=True)
    hub.clock.forward(2 * HOUR)
    assert hub.drain() == 2
    assert set(hub.outcomes.values()) == {Outcome.PAUSED}
    assert hub.pages.events == []
    assert hub.woken == 0


def test_an_unreadable_schedule_does_not_stop_the_others(caplog):
    hub = Hub(executor("broken", timezone="Europe/Belin"), executor())
    assert hub.sync() == 1
    assert "Europe/Berlin" in caplog.text
    hub.clock.forward(HOUR)
    assert hub.check() == 1


def test_two_nodes_record_each_slot_once():
    one = Hub(executor())
    one.sync()
    two = Hub(executor(), pages=one.pages, clock=one.clock)
    one.clock.forward(HOUR)

    async def together():
        return await asyncio.gather(one.scheduler.run_once(), two.scheduler.run_once())

    assert sorted(asyncio.run(together())) == [0, 1]
    assert len(one.pages.events) == 1
    assert one.woken + two.woken == 1


def test_a_long_outage_is_worked_off_in_chunks_and_does_not_hold_up_others():
    hub = Hub(executor(cron="* * * * *"), executor("hourly"))
    hub.sync()
    hub.clock.forward(2 * DAY)
    hub.check()
    assert hub.scheduler.next_due is not None
    assert hub.scheduler.next_due <= hub.clock.now(), "it asks to be called again"
    assert ("hourly", NOON + 2 * DAY) in hub.pages.slots
    hub.drain()
    assert len([key for key in hub.pages.slots if key[0] == "nightly"]) == 2 * 24 * 60
    assert [iso(event.time) for event in hub.pages.events if event.source == "schedule:nightly"] == [
        iso(NOON + 2 * DAY)
    ]
    assert hub.scheduler.next_due is None


def test_the_next_due_instant_is_known_ahead():
    hub = Hub(executor())
    hub.sync()
    hub.clock.forward(HOUR - 1_500)
    assert hub.check() == 0
    assert hub.scheduler.next_due == NOON + HOUR


def test_a_clock_that_jumps_a_year_ahead_and_back_fires_nothing_twice_and_goes_on():
    hub = Hub(executor(cron="0 12 * * *", missed="all", missed_max=3))
    hub.sync()
    hub.check()
    hub.clock.set(NOON + 365 * DAY)
    hub.drain()
    assert len(hub.pages.events) <= 4
    hub.clock.set(NOON)
    hub.clock.forward(SECOND)
    fired = len(hub.pages.events)
    assert hub.drain() == 0
    assert hub.next == NOON + DAY
    hub.executors.append(executor("later"))
    hub.sync()
    hub.clock.forward(DAY)
    hub.drain()
    assert len([event for event in hub.pages.events if event.source == "schedule:nightly"]) == fired
    assert ("later", NOON + DAY) in hub.pages.slots


steps = st.lists(
    st.tuples(
        st.sampled_from(["forward", "set", "restart"]),
        st.one_of(st.integers(1, 2 * HOUR), st.integers(-DAY, DAY), st.just(5 * DAY)),
    ),
    max_size=10,
)


@settings(max_examples=50, deadline=None)
@given(steps)
def test_no_slot_vanishes_and_none_is_recorded_twice_over_outages_restarts_and_clock_steps(walk):
    hub = Hub(executor(cron="*/20 1,2,13 * * *", timezone="Europe/Berlin"))
    hub.sync()
    latest = NOON
    for kind, ms in walk:
        if kind == "restart":
            hub = Hub(*hub.executors, pages=hub.pages, clock=HandClock(max(latest, hub.clock.wall) + abs(ms)))
            hub.sync()
        elif kind == "forward":
            hub.clock.forward(abs(ms))
        else:
            hub.clock.set(max(NOON, hub.clock.wall + ms))
        hub.drain()
        latest = max(latest, hub.clock.wall)
    wanted = parse("*/20 1,2,13 * * *", "Europe/Berlin").between(NOON, latest, 100_000)
    assert list(hub.outcomes) == wanted
    keys = [event.key for event in hub.pages.events]
    assert len(keys) == len(set(keys))


class Counted(Scheduler):
    """A scheduler that tells when it was called and what it did."""

    def __init__(self, pages: Pages, due: int | None = None) -> None:
        super().__init__(pages, SystemClock(), list, lambda: None)
        self.calls: list[int] = []
        self.fails = 0
        self.fault: Exception = RuntimeError("the store is away")
        self.next_due = due

    async def run_once(self) -> int:
        self.calls.append(SystemClock().now())
        if self.fails:
            self.fails -= 1
            raise self.fault
        return 0


def ticking(scheduler: Counted, *, until: int, clock=None, interval=0.2, meanwhile=None) -> None:
    """Run the real job on the real clock until it was called `until` times."""

    async def run():
        job = Ticking(scheduler, clock or SystemClock(), interval=interval)
        job.start()
        deadline = SystemClock().monotonic() + PATIENCE
        while len(scheduler.calls) < until and SystemClock().monotonic() < deadline:
            await asyncio.sleep(0.002)
            if meanwhile is not None:
                meanwhile()
        await job.stop()
        calls = len(scheduler.calls)
        await asyncio.sleep(0.05)
        assert len(scheduler.calls) == calls, "it ran on after the stop"

    asyncio.run(run())
    assert len(scheduler.calls) >= until


def test_the_job_checks_at_once_and_then_at_each_interval():
    scheduler = Counted(Pages())
    begun = SystemClock().now()
    ticking(scheduler, until=3)
    assert scheduler.calls[1] - begun >= 200 - 2
    assert scheduler.calls[2] - begun >= 400 - 2


def test_the_job_is_pulled_forward_to_the_next_due_instant():
    due = SystemClock().now() + 150
    scheduler = Counted(Pages(), due)
    ticking(scheduler, until=2, interval=600)
    assert scheduler.calls[1] - due >= -2


def test_work_that_is_left_over_is_taken_up_without_a_pause():
    scheduler = Counted(Pages(), 1)
    ticking(scheduler, until=5, interval=600)


def test_a_failing_check_is_followed_by_the_next_one(caplog):
    scheduler = Counted(Pages())
    scheduler.fails = 2
    ticking(scheduler, until=3, interval=0.05)
    assert "the store is away" in caplog.text


def test_a_store_that_is_away_is_told_of_once_and_without_a_traceback(caplog):
    caplog.set_level(logging.INFO)
    scheduler = Counted(Pages())
    scheduler.fails, scheduler.fault = 3, StoreUnavailable("the store is away")
    ticking(scheduler, until=5, interval=0.05)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert caplog.text.count("the store is away") == 1
    assert "Traceback" not in caplog.text


def test_a_clock_that_is_set_back_does_not_stop_the_checks():
    # As if the clock had been set back by an hour since the job asked for its next run.
    class Ahead(SystemClock):
        ahead = HOUR

        def now(self):
            return super().now() + self.ahead

    clock = Ahead()
    scheduler = Counted(Pages())

    def set_back():
        clock.ahead = 0

    ticking(scheduler, until=2, clock=clock, interval=0.05, meanwhile=set_back)
