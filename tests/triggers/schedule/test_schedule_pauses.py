"""The end of a pause: the same whether somebody has recorded its slots as they came due, or nobody was there."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schedule_stand_ins import DAY, HOUR, MINUTE, NOON, HandClock, Hub, executor

from hub.model.event import Outcome
from hub.model.executor import Executor
from hub.triggers.schedule.pausing import end_pause


def pause(hub: Hub, *, paused: bool) -> None:
    """What a person's decision leaves in the store."""
    hub.pages.rows["nightly"] = replace(hub.pages.rows["nightly"], paused=paused)


def resume(hub: Hub, declared: Executor) -> int:
    new = asyncio.run(end_pause(hub.pages, declared, hub.clock.now()))
    pause(hub, paused=False)
    return new


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["latest", "skip", "all"]),
    st.sampled_from(["0 * * * *", "*/3 * * * *", "30 2 * * *"]),
    st.sampled_from([0, 30 * MINUTE]),
    st.integers(0, 3 * DAY),
    st.integers(0, 3 * DAY),
)
def test_slots_of_a_pause_are_the_same_with_and_without_a_server(
    missed: str, cron: str, jitter: int, paused_for: int, later: int
) -> None:
    declared = executor(cron=cron, missed=missed, jitter=jitter)
    outcomes = []
    for served in (True, False):
        hub = Hub(declared, clock=HandClock(NOON))
        hub.sync()
        pause(hub, paused=True)
        hub.clock.forward(paused_for)
        if served:
            hub.drain()
        resume(hub, declared)
        assert set(hub.outcomes.values()) <= {Outcome.PAUSED}
        hub.clock.forward(later)
        hub.drain()
        outcomes.append(hub.outcomes)
    assert outcomes[0] == outcomes[1]


def test_what_was_missed_after_the_pause_is_made_up_for_and_nothing_of_it() -> None:
    declared = executor(missed="all")
    hub = Hub(declared)
    hub.sync()
    pause(hub, paused=True)
    hub.clock.forward(3 * HOUR)
    assert resume(hub, declared) == 3
    hub.clock.forward(2 * HOUR)
    hub.drain()
    assert list(hub.outcomes.values()) == [Outcome.PAUSED] * 3 + [None] * 2
    assert [event.time for event in hub.pages.events] == [NOON + 4 * HOUR, NOON + 5 * HOUR]


@pytest.mark.parametrize(
    ("declared", "paused"),
    [
        (executor(missed="all"), False),  # resumed without a pause: what was missed stays missed
        (executor(missed="all", cron="5 * * * *"), True),  # changed: it begins anew
        (executor(missed="all", disabled=True), True),
    ],
)
def test_nothing_is_recorded_of_what_is_not_paused_or_is_another_schedule_now(declared: Executor, paused: bool) -> None:
    hub = Hub(executor(missed="all"))
    hub.sync()
    pause(hub, paused=paused)
    hub.clock.forward(3 * HOUR)
    assert resume(hub, declared) == 0
    assert hub.pages.slots == {}
