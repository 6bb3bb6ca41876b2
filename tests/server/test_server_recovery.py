"""A server that comes back to a full store: it answers soon, and all that was under way goes on soon."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

import pytest
from hub_process import Project, until
from server_projects import lay_out

#: Executions that the last process held when it died.
HELD = 200

_ENDED = "SELECT count(*) FROM executions WHERE id > ? AND id < ? AND status = 'SUCCESS'"
_ROW = (
    "INSERT INTO executions (id, workflow, status, args, result, attempts, retries, crashes, priority, concurrency_key, "
    "owner, epoch, base_epoch, created_at, started_at, finished_at, requested_by) "
    "VALUES (?, 'echoing', ?, '1', ?, 1, 0, 0, 0, '', ?, 1, 0, 1, 1, ?, '')"
)


def _fill(project: Project, stored: int) -> None:
    """A store with so many executions that have ended."""
    with project.serving() as hub:
        assert hub.stop() == 0
    ended = ((f"00000000000000000E{number:08d}", "SUCCESS", "1", None, 9_999_999_999_999) for number in range(stored))
    with closing(sqlite3.connect(project.folder / "var" / "hub.db")) as store, store:
        store.executemany(_ROW, ended)


def _come_back(project: Project, life: int = 0) -> tuple[float, float]:
    """Seconds until it answers, and from there until all has ended that was under way; then it is killed."""
    held = ((f"0000000000{life:04d}H{number:011d}", "RUNNING", None, "dead", None) for number in range(HELD))
    with closing(sqlite3.connect(project.folder / "var" / "hub.db", timeout=60)) as store, store:
        store.executemany(_ROW, held)
    begun = time.monotonic()
    with project.serving():
        ready = time.monotonic() - begun
        until(lambda: project.store(_ENDED, f"0000000000{life:04d}H", f"0000000000{life:04d}I") == [(HELD,)])
        return ready, time.monotonic() - begun - ready


def test_what_was_under_way_goes_on_in_a_full_store(project: Project) -> None:
    lay_out(project)
    _fill(project, 5_000)
    _come_back(project)
    assert project.run("verify", "--json").json["ok"]


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_stored_executions_keep_no_restart_waiting(project: Project) -> None:
    """Two hundred times: it has to be so at nearly every one."""
    lay_out(project)
    _fill(project, 100_000)
    lives = [_come_back(project, life) for life in range(200)]
    for what, seconds, most in zip(
        ("ready", "all resumed"), map(sorted, zip(*lives, strict=True)), (3, 5), strict=True
    ):
        p50, p99 = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)]
        print(f"{what} after {p50:.2f} s (p50), {p99:.2f} s (p99)")  # noqa: T201 - figures for whoever asks
        assert p99 <= most, what
    assert project.run("verify", "--json", seconds=60).json["ok"]
