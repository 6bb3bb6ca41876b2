"""Time and chance come from the request alone, so that an event evaluated again gives the same answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = 1_700_000_000_123
TIMES = [
    "Date.now()",
    "new Date().getTime()",
    "+new Date",
    "new Date(new Date()).getTime()",
    "new (new Date().constructor)().getTime()",
    "new Date.prototype.constructor().getTime()",
    "Date.prototype.constructor.now()",
    "new (class extends Date {})().getTime()",
    "Reflect.construct(Date, []).getTime()",
    "new globalThis.Date().getTime()",
    "(0, eval)('Date.now()')",
    "new Function('return Date.now()')()",
    "Date.parse(new Date().toISOString())",
    "new (Object.getPrototypeOf(new Date()).constructor)().getTime()",
    "new (Function.prototype.call.bind(Date).constructor('return Date')())().getTime()",
]


@pytest.mark.parametrize("source", TIMES)
def test_there_is_one_instant(desk, source):
    assert desk.value(source) == NOW


def test_date_as_a_function_and_its_other_forms(desk):
    assert desk.value("Date()") == "Tue Nov 14 2023 22:13:20 GMT+0000"
    assert desk.value("Date(5) === new Date().toString()") is True
    assert desk.value("new Date(0)") == "1970-01-01T00:00:00.000Z"
    assert desk.value("new Date('2024-02-29T12:00:00+02:00')") == "2024-02-29T10:00:00.000Z"
    assert desk.value("new Date(2024, 1, 29, 12).toISOString()") == "2024-02-29T12:00:00.000Z"
    assert desk.value("new Date(undefined).getTime()") is None
    assert desk.value("Date.UTC(1970, 0, 2)") == 86_400_000
    assert desk.value("new Date() instanceof Date && Date.name === 'Date'") is True
    assert desk.value("new Date(0).getTimezoneOffset()") == 0


def test_nothing_else_measures_time(desk):
    assert (
        desk.value("[typeof performance, typeof Atomics, typeof setTimeout, typeof Intl, typeof Temporal]")
        == ["undefined"] * 5
    )


@settings(max_examples=25, deadline=None)
@given(now=st.integers(0, 4_102_444_800_000), seed=st.text(max_size=30))
def test_the_same_request_gives_the_same_answer(desk, now, seed):
    source = (
        "({ d: new Date(), t: Date(), r: [Math.random(), Math.random()], s: [3,1,2].sort(() => Math.random() - 0.5) })"
    )
    first = desk("Math.random() < 2", source, now=now, seed=seed)
    assert first.error is None
    assert desk("Math.random() < 2", source, now=now, seed=seed) == first
    assert all(0 <= number < 1 for number in first.variables["r"])


def test_each_seed_has_its_own_dice_and_they_are_fair(desk):
    firsts = {desk.value("Math.random()", seed=f"event-{number}") for number in range(20)}
    assert len(firsts) == 20
    many = desk.value("Array.from({ length: 4000 }, Math.random)")
    assert len(set(many)) == 4000
    buckets = [sum(1 for number in many if low <= number * 10 < low + 1) for low in range(10)]
    assert min(buckets) > 320
    assert max(buckets) < 480
