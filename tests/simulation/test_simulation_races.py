"""What comes at the same moment: a signal and its deadline, a job's end and its timeout, a cancel and a fork, a limit and a rate."""

from __future__ import annotations

import os

import pytest
from simulated_store import Database
from simulation_play import faults_at_crash_points, with_seed
from simulation_sweep import sweep
from stories_of_races import RACES

from hub.engine import strays

_IN_THE_SUITE = 60
#: A process freezes between the last look at its lease and the first turn of a job that has a task of its own.
_FROZEN_AT_THE_BEGIN = 2_377


@pytest.mark.timeout(300)
def test_whatever_a_seed_brings_all_ends_well(store: Database) -> None:
    for seed in (*range(_IN_THE_SUITE), _FROZEN_AT_THE_BEGIN):
        assert _faults_of(store, seed) == [], f"seed {seed}, {RACES[seed % len(RACES)].name}"


def test_a_job_that_is_left_alone_and_does_what_it_likes_is_found(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strays, "leave", lambda _scope: None)
    late = [story for story in RACES if story.name == "late"]
    assert any("left alone" in fault for seed in range(10) for fault in with_seed(store, seed, late).faults)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_every_crash_point_is_survived(store: Database) -> None:
    assert faults_at_crash_points(store, RACES)[1] == []


@pytest.mark.long
@pytest.mark.timeout(20_000)
def test_ten_thousand_seeds_end_well(capfd: pytest.CaptureFixture[str]) -> None:
    """`HUB_SEEDS` sets other ones, as it does for the other stories."""
    first, _, last = os.environ.get("HUB_SEEDS", "10000").rpartition(":")
    with capfd.disabled():
        assert sweep(_faults_of, range(int(first or _IN_THE_SUITE), int(last))) == []


def _faults_of(store: Database, seed: int) -> list[str]:
    return with_seed(store, seed, RACES).faults
