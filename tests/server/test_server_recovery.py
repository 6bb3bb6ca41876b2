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

_ROW = (
    "INSERT INTO executions (id, workflow, status, args, result, attempts, retries, crashes, priority, concurrency_key, "
    "owner, epoch, base_epoch, created_at, started_at, finished_at, requested_by) "
    "VALUES (?, 'echoing', ?, '1', ?, 1, 0, 0, 0, '', ?, 1, 0, 1, 1, ?, '')"
)


def _fill(project: Project, stored: int) -> None:
    with project.serving() as hub:
        assert hub.stop() == 0
    ended = ((f"00000000000000000E{number:08d}", "SUCCESS", "1", None, 9_999_999_999_999) for number in range(stored))
    held = ((f"00000000000000000H{number:08d}", "RUNNING", None, "dead", None) for number in range(HELD))
    with closing(sqlite3.connect(project.folder / "var" / "hub.db")) as store, store:
        store.executemany(_ROW, ended)
        store.executemany(_ROW, held)


def _come_back(project: Project) -> tuple[float, float]:
    """Seconds until it answers, and from there until all that was under way has ended."""
    begun = time.monotonic()
    with project.serving():
        ready = time.monotonic() - begun
        until(
            lambda: (
                project.store("SELECT count(*) FROM executions WHERE id LIKE '%H%' AND status = 'SUCCESS'") == [(HELD,)]
            ),
            60,
        )
        return ready, time.monotonic() - begun - ready


@pytest.mark.timeout(120)
def test_what_was_under_way_goes_on_in_a_full_store(project: Project) -> None:
    lay_out(project)
    _fill(project, 5_000)
    _come_back(project)
    assert project.run("verify", "--json").json["ok"]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_hundred_thousand_stored_executions_keep_no_restart_waiting(project: Project) -> None:
    lay_out(project)
    _fill(project, 100_000)
    ready, resumed = _come_back(project)
    print(f"ready after {ready:.2f} s, all resumed {resumed:.2f} s later")  # noqa: T201 - figures for whoever asks
    assert ready <= 3
    assert resumed <= 5
