"""Plays stories: as planned, with one crash or two at chosen points, or as a seed brings it."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator, Sequence

from simulated_store import DIE_AFTER, DIE_BEFORE, Database
from simulated_world import World
from simulation_fates import FAULTS, Planned, Seeded
from simulation_stories import STORIES
from simulation_story import Story

_CLOCK_STEPS = (3_600_000, 86_400_000, -30_000)
_SEED = 7

QUIET = ("hub.engine", "hub.job", "asyncio")


def database() -> Database:
    """For many plays: each begins with it empty. What the hub logs of all its misfortunes is of no interest."""
    for quiet in QUIET:
        logging.getLogger(quiet).setLevel(logging.CRITICAL)
    return Database()


def points_of(database: Database, story: Story) -> int:
    """How many batches its node commits when nothing happens."""
    fates = Planned()
    world = World(database, story.workflows, fates, seed=_SEED, single=True).play(story.tell)
    story.check(world)
    assert world.faults == []
    return fates.seen


def with_crashes(database: Database, story: Story, at: Sequence[tuple[int, str]]) -> World:
    """One process, which dies at these batches and comes back."""
    world = World(database, story.workflows, Planned(at), seed=_SEED, single=True).play(story.tell)
    story.check(world)
    return world


def crash_points(database: Database, stories: Sequence[Story] = STORIES) -> Iterator[tuple[Story, int, str]]:
    for story in stories:
        for point in range(1, points_of(database, story) + 1):
            yield story, point, DIE_BEFORE
            yield story, point, DIE_AFTER


def faults_at_crash_points(database: Database, stories: Sequence[Story]) -> tuple[int, list[tuple[object, ...]]]:
    """One crash at each of them: how many those were, and what was wrong behind which."""
    tried, found = 0, []
    for story, point, moment in crash_points(database, stories):
        world = with_crashes(database, story, [(point, moment)])
        assert world.deaths == 1, (story.name, point, moment)
        tried += 1
        if world.faults:
            found.append((story.name, point, moment, world.faults))
    return tried, found


def with_seed(
    database: Database, seed: int, stories: Sequence[Story] = STORIES, faults: Sequence[str] = FAULTS
) -> World:
    """One to three nodes; one alone may have its clock set."""
    story = stories[seed % len(stories)]
    nodes = 1 + seed // len(stories) % 3
    world = World(database, story.workflows, Seeded(seed, faults=faults), seed=seed, single=nodes == 1)
    choose = random.Random(~seed)
    if nodes == 1 and choose.random() < 0.5:
        world.step_the_clock(choose.uniform(0, 4), choose.choice(_CLOCK_STEPS))
    world.play(story.tell, nodes)
    story.check(world)
    return world


def named(*names: str) -> list[Story]:
    return [story for story in STORIES if story.name in names]
