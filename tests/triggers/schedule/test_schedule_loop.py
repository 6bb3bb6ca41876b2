"""The scheduler: which slots it records and fires, over outages, edits, pauses and clocks that jump."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from schedule_stand_ins import DAY, HOUR, MINUTE, NOON, SECOND, HandClock, Hub, executor, slots_between

from hub.model.clock import iso
from hub.model.event import NewEvent, Outcome
from hub.model.executor import EventTrigger, Executor, JobTarget
from hub.triggers.schedule.cron import parse


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
    wanted = slots_between(parse("*/20 1,2,13 * * *", "Europe/Berlin"), NOON, latest, 100_000)
    assert list(hub.outcomes) == wanted
    keys = [event.key for event in hub.pages.events]
    assert len(keys) == len(set(keys))
