"""Times and durations as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.console.showing.moments import ago, clock_time, exactly, lasting
from hub.model.clock import from_iso

NOON = from_iso("2026-05-04T12:00:00.000Z")


@pytest.mark.parametrize(
    ("away", "said"),
    [
        (0, "just now"),
        (999, "just now"),
        (1_000, "1 s ago"),
        (59_999, "59 s ago"),
        (60_000, "1 min ago"),
        (3_600_000, "1 h ago"),
        (49 * 3_600_000, "2 d ago"),
        (-1_000, "in 1 s"),
        (-7_200_000, "in 2 h"),
    ],
)
def test_how_long_ago(away: int, said: str) -> None:
    assert ago(NOON - away, NOON) == said


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (-5, "0 ms"),
        (41, "41 ms"),
        (1_420, "1.42 s"),
        (59_900, "59.9 s"),
        (184_000, "3 min 4 s"),
        (180_000, "3 min"),
        (7_380_000, "2 h 3 min"),
        (190_800_000, "2 d 5 h"),
    ],
)
def test_how_long_it_took(ms: int, said: str) -> None:
    assert lasting(ms) == said


@settings(deadline=None)
@given(st.integers(0, 10**13), st.integers(0, 10**13))
def test_every_moment_has_words(moment: int, now: int) -> None:
    assert ago(moment, now)
    assert lasting(abs(now - moment))


def test_the_exact_time_and_the_short_one() -> None:
    assert exactly(NOON + 7) == "2026-05-04 12:00:00.007 UTC"
    assert clock_time(NOON, NOON + 60_000) == "12:00:00"
    assert clock_time(NOON - 86_400_000, NOON) == "03 May 12:00"
