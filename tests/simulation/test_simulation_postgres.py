"""The same worlds on a real PostgreSQL: its verbs, its arrays and its locks, under crashes, freezes and lost replies."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from itertools import count, islice

import pytest
from simulated_postgres import PostgresDatabase
from simulation_mutants import (
    MUTANTS,
    Mutant,
    answers_not_told_apart,
    lease_not_looked_at,
    limits_ignored,
    tried_again_though_at_most_once,
)
from simulation_play import QUIET, faults_at_crash_points, named, with_seed
from simulation_stories import STORIES
from simulation_story import Story

from hub.store.dialects.postgres_writing import PostgresTx


@pytest.fixture
def server(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresDatabase]:
    """A server whose clock is the world's."""
    monkeypatch.setattr(PostgresTx, "clock", lambda _tx, now: now)
    levels = {name: logging.getLogger(name).level for name in QUIET}
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    database = PostgresDatabase(postgres_url)
    yield database
    database.close()
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


#: Those that show within a few seeds. Two that only the auditor's triggers see are not found here.
SOON_FOUND = [
    one
    for one in MUTANTS
    if one[0] in (answers_not_told_apart, lease_not_looked_at, limits_ignored, tried_again_though_at_most_once)
]


def _of_several_nodes() -> Iterator[int]:
    return (seed for seed in count() if seed // len(STORIES) % 3)


@pytest.mark.timeout(3_000)
@pytest.mark.parametrize("seeds", [len(STORIES), pytest.param(0, marks=pytest.mark.long)])
def test_whatever_a_seed_brings_to_several_nodes_all_ends_well(server: PostgresDatabase, seeds: int) -> None:
    """A story each in the suite; `POSTGRES_SEEDS` sets how many there are in the long one."""
    wanted = seeds or int(os.environ.get("POSTGRES_SEEDS", "1000"))
    deaths = 0
    for seed in islice(_of_several_nodes(), wanted):
        world = with_seed(server, seed)
        assert world.faults == [], f"seed {seed}, {STORIES[seed % len(STORIES)].name}"
        deaths += world.deaths
    assert deaths > wanted / 2


@pytest.mark.parametrize(
    ("mutant", "stories", "faults"), SOON_FOUND, ids=[mutant.__name__ for mutant, *_ in SOON_FOUND]
)
def test_a_planted_fault_is_found_there_too(
    server: PostgresDatabase,
    monkeypatch: pytest.MonkeyPatch,
    mutant: Mutant,
    stories: tuple[str, ...],
    faults: tuple[str, ...],
) -> None:
    mutant(monkeypatch)
    assert any(with_seed(server, seed, named(*stories), faults).faults for seed in range(60))


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize(
    "stories",
    [named("fan"), pytest.param([one for one in STORIES if one.name != "paced"], marks=pytest.mark.long)],
    ids=["fan", "all"],
)
def test_every_crash_point_is_survived_there_too(server: PostgresDatabase, stories: list[Story]) -> None:
    tried, found = faults_at_crash_points(server, stories)
    assert found == []
    assert tried > 10 * len(stories)
