"""kill -9 under load: nothing acknowledged is lost, nothing is done twice. And the same loop finds planted bugs."""

from __future__ import annotations

import os
import random

import pytest
from hub_process import Project
from kill_loop import KillLoop, Report

#: Set it to run a failed loop again.
SEED = int(os.environ.get("KILL_SEED") or random.SystemRandom().randrange(1 << 30))


def play(project: Project, rounds: int, **plant: object) -> Report:
    report = KillLoop(project, SEED, rounds, plant).run(patience=60 + rounds / 2)
    print(report)  # noqa: T201 - figures for whoever asks with -s or -rP
    return report


def check(report: Report) -> None:
    """Every promise held, and enough happened for that to mean something."""
    assert not report.wrong, f"KILL_SEED={SEED} repeats it: {report}"
    assert report.sent >= 0.95 * report.planned
    assert report.acknowledged >= 0.5 * report.planned
    assert report.rounds_with_answers >= 0.5 * report.rounds
    assert report.rows > report.rounds
    assert report.looks > 20, "histories of a few looks prove little"
    assert report.jobs_run_twice > 0, "kills that never hit a job prove nothing"


@pytest.mark.timeout(180)
def test_thirty_kills(project: Project) -> None:
    check(play(project, 30))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_thousand_kills(project: Project) -> None:
    check(play(project, 1_000))


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    ("plant", "found"),
    [
        ("acknowledge_early", ("lost: ", " and is not in the read at ")),
        ("checkpoint_unawaited", (" ran again after stage ",)),
        ("outbox_deleted_first", (" committed and 0 events",)),
        ("deduplicate_nothing", ("duplicate", "twice in the read at ")),
        ("epoch_goes_back", (": an epoch of ", " claims lost")),
    ],
)
def test_a_planted_bug_is_found(project: Project, plant: str, found: tuple[str, ...]) -> None:
    report = play(project, 5, **{plant: True})
    for words in found:
        assert any(words in sentence for sentence in report.wrong), (words, report)
