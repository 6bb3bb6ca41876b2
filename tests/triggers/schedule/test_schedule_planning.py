from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schedule_stand_ins import slots_between

from hub.model.clock import from_iso
from hub.model.event import Outcome
from hub.model.executor import ScheduleTrigger
from hub.triggers.schedule.cron import cron_of, parse
from hub.triggers.schedule.planning import ON_TIME, Slots, due, first_fire_at

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOON = from_iso("2026-05-04T12:00")

HOURLY = ScheduleTrigger("0 * * * *", missed_window=DAY)


def plan_after(trigger, outage, **more):
    """A plan at 12:00 and a half minute for a schedule that was last looked at `outage` before 12:00."""
    cron = cron_of(trigger)
    return due(trigger, cron, cron.next_after(NOON - outage), NOON + more.pop("late", 30_000), **more)


def drained(trigger, outage, **more):
    """All the chunks of a plan as one."""
    cron = cron_of(trigger)
    now = NOON + more.pop("late", 30_000)
    at = cron.next_after(NOON - outage)
    fire, records = [], []
    while True:
        plan = due(trigger, cron, at, now, **more)
        fire += plan.fire
        records += plan.records
        at = plan.next_fire_at
        if not plan.more:
            return fire, records, at


def test_nothing_is_due_before_its_time():
    plan = due(HOURLY, cron_of(HOURLY), NOON, NOON - 1)
    assert (plan.fire, plan.records, plan.next_fire_at, plan.more) == ((), (), NOON, False)


def test_a_slot_fires_at_its_time():
    plan = due(HOURLY, cron_of(HOURLY), NOON, NOON)
    assert (plan.fire, plan.records, plan.next_fire_at) == ((NOON,), (), NOON + HOUR)


@pytest.mark.parametrize("missed", ["latest", "skip", "all"])
def test_a_slot_that_is_checked_within_a_minute_is_on_time_under_every_policy(missed):
    plan = plan_after(replace(HOURLY, missed=missed, missed_max=0, missed_window=0), HOUR, late=ON_TIME - 1)
    assert plan.fire == (NOON,)


def test_after_a_minute_a_slot_is_missed():
    assert plan_after(replace(HOURLY, missed="skip"), HOUR, late=ON_TIME).fire == ()


def test_latest_fires_the_newest_slot_and_records_the_others_with_the_reason():
    plan = plan_after(HOURLY, 3 * HOUR, late=10 * MINUTE)
    assert plan.fire == (NOON,)
    assert [(record.slot, record.outcome) for record in plan.records] == [
        (NOON - 2 * HOUR, Outcome.MISSED),
        (NOON - HOUR, Outcome.MISSED),
    ]
    assert "missed: latest" in plan.records[0].reason
    assert "2026-05-04T12:00" in plan.records[0].reason


def test_latest_does_not_catch_up_when_the_newest_slot_is_on_time():
    plan = plan_after(HOURLY, 2 * HOUR)
    assert plan.fire == (NOON,)
    assert [record.slot for record in plan.records] == [NOON - HOUR]


def test_a_slot_older_than_the_window_is_not_caught_up():
    daily = ScheduleTrigger("0 12 * * *", missed_window=HOUR)
    plan = plan_after(daily, DAY, late=2 * HOUR)
    assert plan.fire == ()
    assert plan.records[0].outcome is Outcome.MISSED
    assert "missed_window of 1h" in plan.records[0].reason


def test_skip_fires_no_missed_slot():
    plan = plan_after(replace(HOURLY, missed="skip"), 3 * HOUR, late=10 * MINUTE)
    assert plan.fire == ()
    assert {record.outcome for record in plan.records} == {Outcome.SKIPPED}
    assert len(plan.records) == 3


def test_all_fires_the_newest_up_to_the_cap():
    plan = plan_after(replace(HOURLY, missed="all", missed_max=2), 5 * HOUR, late=10 * MINUTE)
    assert plan.fire == (NOON - HOUR, NOON)
    assert [record.slot for record in plan.records] == [NOON - 4 * HOUR, NOON - 3 * HOUR, NOON - 2 * HOUR]
    assert "missed_max" in plan.records[0].reason


def test_the_cap_counts_missed_slots_only():
    plan = plan_after(replace(HOURLY, missed="all", missed_max=2), 5 * HOUR)
    assert plan.fire == (NOON - 2 * HOUR, NOON - HOUR, NOON)


def test_a_paused_schedule_records_each_slot_and_fires_none():
    plan = plan_after(HOURLY, 3 * HOUR, paused=True)
    assert plan.fire == ()
    assert [record.outcome for record in plan.records] == [Outcome.PAUSED] * 3
    *late, last = [record.reason for record in plan.records]
    assert all(re.fullmatch(r"checked \S+ after it came due, and the schedule was paused then\.", one) for one in late)
    assert last == "the schedule was paused when this slot came due."


def test_slots_outside_start_and_end_do_not_exist():
    bounded = replace(HOURLY, start=NOON - 2 * HOUR, end=NOON, missed="all")
    assert first_fire_at(bounded, cron_of(bounded), NOON - DAY) == NOON - 2 * HOUR
    plan = due(bounded, cron_of(bounded), NOON - 2 * HOUR, NOON + 5 * HOUR)
    assert plan.fire == (NOON - 2 * HOUR, NOON - HOUR, NOON)
    assert plan.next_fire_at is None
    assert due(bounded, cron_of(bounded), None, NOON + DAY).fire == ()
    assert first_fire_at(bounded, cron_of(bounded), NOON) is None


def test_forty_days_of_minutes_are_recorded_in_chunks():
    minutely = ScheduleTrigger("* * * * *", missed_window=DAY)
    plan = plan_after(minutely, 40 * DAY, most=100)
    assert len(plan.records) == 100
    assert plan.more
    fire, records, at = drained(minutely, 2 * DAY, late=30_000, most=100)
    assert fire == [NOON]
    assert [record.slot for record in records] == [NOON - number * MINUTE for number in range(2 * 24 * 60 - 1, 0, -1)]
    assert at == NOON + MINUTE


def test_the_cap_holds_over_chunks():
    minutely = ScheduleTrigger("* * * * *", missed="all", missed_max=30, missed_window=DAY)
    fire, records, _ = drained(minutely, 5 * HOUR, late=30_000, most=7)
    assert fire == [NOON - number * MINUTE for number in range(30, -1, -1)]
    assert len(records) == 300 - 31


def test_jitter_is_fixed_by_name_and_slot_and_stays_before_the_next_slot():
    trigger = ScheduleTrigger("* * * * *", jitter=10 * MINUTE)
    slots = Slots(trigger, cron_of(trigger), "nightly")
    delays = [slots.fire_at(NOON + number * MINUTE) - NOON - number * MINUTE for number in range(50)]
    assert delays == [slots.fire_at(NOON + number * MINUTE) - NOON - number * MINUTE for number in range(50)]
    assert all(0 <= delay < MINUTE for delay in delays)
    assert len(set(delays)) > 40
    other = Slots(trigger, cron_of(trigger), "other")
    assert [other.fire_at(NOON + number * MINUTE) for number in range(3)] != [
        slots.fire_at(NOON + number * MINUTE) for number in range(3)
    ]


def test_jitter_delays_the_firing_and_keeps_the_nominal_instant():
    trigger = ScheduleTrigger("0 * * * *", jitter=20 * MINUTE)
    cron = cron_of(trigger)
    at = first_fire_at(trigger, cron, NOON - 1, name="nightly")
    assert at is not None
    assert NOON < at <= NOON + 20 * MINUTE
    assert due(trigger, cron, at, at - 1, name="nightly").fire == ()
    assert due(trigger, cron, at, at, name="nightly").fire == (NOON,)
    plain = replace(trigger, jitter=0)
    assert due(plain, cron, at, at, name="nightly").fire == (NOON,), "a slot must survive the edit of its jitter"


checks = st.lists(
    st.one_of(
        st.integers(200, 1_000),
        st.integers(1_000, 10 * MINUTE),
        st.integers(10 * MINUTE, 8 * HOUR),
        st.sampled_from([2 * DAY, 2 * DAY, 40 * DAY]),
    ),
    min_size=1,
    max_size=8,
)
triggers = st.builds(
    ScheduleTrigger,
    cron=st.sampled_from(["7 * * * *", "*/20 * * * *", "30 2 * * *", "0 */5 * * *", "15 1,2,3 * * 1-5", "0 9 1 * *"]),
    timezone=st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
    missed=st.sampled_from(["latest", "skip", "all"]),
    missed_window=st.sampled_from([0, HOUR, DAY]),
    missed_max=st.integers(0, 5),
    jitter=st.sampled_from([0, 0, 30_000, 2 * HOUR]),
    start=st.none() | st.integers(NOON, NOON + 60 * DAY),
    end=st.none() | st.integers(NOON + 10 * DAY, NOON + 400 * DAY),
)


@settings(max_examples=80, deadline=None)
@given(triggers, checks, st.integers(0, 365), st.integers(5, 50), st.lists(st.booleans(), min_size=8, max_size=8))
def test_every_slot_between_two_checks_has_exactly_one_record(trigger, outages, day, most, pauses):
    cron = cron_of(trigger)
    begun = now = NOON + day * DAY
    at = first_fire_at(trigger, cron, begun, name="x")
    recorded: list[int] = []
    for outage, paused in zip(outages, pauses, strict=False):
        now += outage
        fired_late = 0
        more = True
        while more:
            plan = due(trigger, cron, at, now, name="x", paused=paused, most=most)
            assert len(plan.fire) + len(plan.records) <= most
            recorded += sorted([*plan.fire, *(record.slot for record in plan.records)])
            assert all(record.reason.endswith(".") for record in plan.records)
            late = [slot for slot in plan.fire if now - Slots(trigger, cron, "x").fire_at(slot) >= ON_TIME]
            fired_late += len(late)
            assert not (paused and plan.fire)
            assert all(now - slot <= trigger.missed_window + trigger.jitter for slot in late)
            at, more = plan.next_fire_at, plan.more
        assert fired_late <= {"latest": 1, "skip": 0, "all": trigger.missed_max}[trigger.missed]
    slots = Slots(trigger, cron, "x")
    assert recorded == [
        slot
        for slot in slots_between(parse(trigger.cron, trigger.timezone), begun, now, 100_000)
        if slots.fire_at(slot) <= now and (trigger.start or 0) <= slot <= (trigger.end or slot)
    ]
