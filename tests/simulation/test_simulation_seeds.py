"""Worlds of one to three nodes, in which crashes, freezes longer than a lease, lost replies and clock steps come by seed.

A fault is played again with its seed: `with_seed(database(), SEED).faults`, and `.journal.entries` tells what happened.
"""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import chain

import pytest
from simulated_store import Database
from simulation_fates import FAULTS, Seeded
from simulation_play import database, with_seed
from simulation_stories import STORIES

_IN_THE_SUITE = 200
_LONG = int(os.environ.get("HUB_SEEDS", "100000"))


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
def test_a_hundred_thousand_seeds_end_well() -> None:
    """`HUB_SEEDS` sets another number."""
    step = 500
    with ProcessPoolExecutor(2) as pool:
        found = pool.map(
            _some_seeds, range(_IN_THE_SUITE, _LONG, step), [step] * len(range(_IN_THE_SUITE, _LONG, step))
        )
        assert list(chain.from_iterable(found)) == []


def _some_seeds(first: int, count: int) -> list[tuple[int, list[str]]]:
    store = database()
    return [(seed, world.faults) for seed in range(first, first + count) if (world := with_seed(store, seed)).faults]
