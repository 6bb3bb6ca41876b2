"""A simulated node dies before and after every batch that it commits; whatever comes after it brings all to an end."""

from __future__ import annotations

import random
from itertools import product

import pytest
from simulated_store import DIE_AFTER, DIE_BEFORE, Database
from simulation_play import faults_at_crash_points, named, points_of, with_crashes
from simulation_stories import STORIES
from simulation_sweep import sweep

#: Without the one that mostly waits: its many looks at the store are all alike.
_WHOLE = [story for story in STORIES if story.name != "paced"]
_SHORT = named("sequence", "fan", "question")


@pytest.mark.timeout(300)
def test_every_crash_point_of_every_story_is_survived(store: Database) -> None:
    tried, found = faults_at_crash_points(store, _WHOLE)
    assert found == []
    assert len(_WHOLE) >= 6
    assert tried > 250


#: A story, and two batches, before or after which the process dies.
Pair = tuple[str, int, str, int, str]


def _pairs(store: Database) -> list[Pair]:
    """Two crashes: the second one somewhere in what the first one has left to do, or shortly after."""
    return [
        (story.name, first, one, second, other)
        for story in _SHORT
        for points in [points_of(store, story)]
        for first in range(1, points + 1)
        for second in range(first + 1, first + points + 3)
        for one, other in product((DIE_BEFORE, DIE_AFTER), repeat=2)
    ]


@pytest.mark.timeout(300)
def test_two_crashes_are_survived(store: Database) -> None:
    for pair in random.Random(3).sample(_pairs(store), 40):
        assert _faults_of(store, pair) == [], pair


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_every_pair_of_crashes_in_short_stories_is_survived(store: Database, capfd: pytest.CaptureFixture[str]) -> None:
    with capfd.disabled():
        assert sweep(_faults_of, _pairs(store)) == []


def _faults_of(store: Database, pair: Pair) -> list[str]:
    name, first, one, second, other = pair
    return with_crashes(store, named(name)[0], [(first, one), (second, other)]).faults
