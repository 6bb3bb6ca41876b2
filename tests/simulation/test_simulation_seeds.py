"""Worlds of one to three nodes, in which crashes, freezes longer than a lease, lost replies and clock steps come by seed.

A fault is played again with its seed: `with_seed(database(), SEED).faults`, and `.journal.entries` tells what happened.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest
from simulated_store import Database
from simulation_fates import FAULTS, Seeded
from simulation_play import with_seed
from simulation_stories import STORIES
from simulation_sweep import sweep

_IN_THE_SUITE = 200


@pytest.mark.timeout(300)
def test_whatever_a_seed_brings_all_ends_well(store: Database) -> None:
    kinds: Counter[str] = Counter()
    deaths = 0
    for seed in range(_IN_THE_SUITE):
        world = with_seed(store, seed)
        assert world.faults == [], f"seed {seed}, {STORIES[seed % len(STORIES)].name}"
        deaths += world.deaths
        assert isinstance(world.fates, Seeded)
        kinds.update(world.fates.kinds)
    assert set(kinds) == set(FAULTS)
    assert deaths > _IN_THE_SUITE / 2


def test_the_same_seed_tells_the_same_history(store: Database) -> None:
    digests = {seed: with_seed(store, seed).digest() for seed in range(24)}
    assert digests == {seed: with_seed(store, seed).digest() for seed in reversed(range(24))}
    assert len(set(digests.values())) == 24


@pytest.mark.long
@pytest.mark.timeout(20_000)
def test_a_hundred_thousand_seeds_end_well(capfd: pytest.CaptureFixture[str]) -> None:
    """`HUB_SEEDS` sets other ones: `20000` for as many, `60000:100000` to go on with a sweep that was cut short."""
    first, _, last = os.environ.get("HUB_SEEDS", "100000").rpartition(":")
    with capfd.disabled():
        assert sweep(_faults_of, range(int(first or _IN_THE_SUITE), int(last))) == []


def _faults_of(store: Database, seed: int) -> list[str]:
    return with_seed(store, seed).faults
