"""Several nodes on one PostgreSQL: one hub, of which any part may die."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hub_process import Zygote
from node_loop import NodeLoop, SharedProject

#: Set it to run a failed loop again.
SEED = int(os.environ.get("KILL_SEED") or random.SystemRandom().randrange(1 << 30))


@pytest.fixture
def shared(quick_path: Path, zygote: Zygote, postgres_url: str) -> SharedProject:
    """An empty project on an empty PostgreSQL database."""
    return SharedProject(quick_path, zygote, postgres_url)


def play(project: SharedProject, rounds: int) -> None:
    loop = NodeLoop(project, SEED, rounds)
    report = loop.run(patience=60 + rounds)
    print(report)  # noqa: T201 - figures for whoever asks with -s or -rP
    assert not report.wrong, f"KILL_SEED={SEED} repeats it: {report}"
    assert report.sent >= 0.95 * report.planned
    assert report.acknowledged >= 0.5 * report.planned
    assert report.rounds_with_answers >= 0.5 * report.rounds


@pytest.mark.timeout(180)
def test_three_nodes_of_which_one_is_killed_four_times(shared: SharedProject) -> None:
    play(shared, 4)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_three_nodes_of_which_one_is_killed_two_hundred_times(shared: SharedProject) -> None:
    play(shared, 200)
