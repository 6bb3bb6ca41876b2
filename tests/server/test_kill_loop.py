"""kill -9 under load: nothing acknowledged is lost, nothing is done twice. And the same loop finds planted bugs."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hub_process import Project, Zygote
from kill_books import Report
from kill_loop import KillLoop

#: Set it to run a failed loop again.
SEED = int(os.environ.get("KILL_SEED") or random.SystemRandom().randrange(1 << 30))
#: What five kills hit is chance. They are played so often before a planted bug counts as not found; once is nearly always enough.
PLAYS = 8


def play(project: Project, rounds: int, seed: int = SEED, **plant: object) -> Report:
    report = KillLoop(project, seed, rounds, plant).run(patience=60 + rounds / 2)
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


@pytest.mark.timeout(900)
def test_thirty_kills(project: Project) -> None:
    check(play(project, 30))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_thousand_kills(project: Project) -> None:
    check(play(project, 1_000))


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("plant", "found"),
    [
        ({"acknowledge_early": 0.03}, ("lost: ", " and is not in the read at ")),
        ({"checkpoint_unawaited": True}, (" ran again after stage ",)),
        ({"outbox_deleted_first": True}, (" committed and 0 events",)),
        ({"deduplicate_nothing": True}, ("duplicate", "twice in the read at ")),
        ({"epoch_goes_back": True}, (": an epoch of ", " claims lost")),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_a_planted_bug_is_found(
    quick_path: Path, zygote: Zygote, plant: dict[str, object], found: tuple[str, ...]
) -> None:
    missing, reports = set(found), []
    for number in range(PLAYS):
        (folder := quick_path / f"play-{number}").mkdir()
        reports.append(report := play(Project(folder, zygote), 5, SEED + number, **plant))
        missing = {words for words in missing if not any(words in sentence for sentence in report.wrong)}
        if not missing:
            return
    pytest.fail(
        f"KILL_SEED={SEED} and so on for {PLAYS} plays never told {sorted(missing)}:\n" + "\n".join(map(str, reports))
    )
