"""A real server on a machine whose clock is wrong, beside a database whose clock is right."""

from __future__ import annotations

from pathlib import Path

import pytest
from hub_process import Zygote, until
from node_loop import SharedProject
from server_projects import start

from hub.model.clock import SystemClock

NAPPING = """
@job
async def nap(input, ctx: Context):
    await ctx.step.sleep("a moment", "1s")
    return "slept"

napping = workflow("napping", nap)
"""
EXECUTORS = {
    "hook": {"trigger": {"webhook": {}}, "target": start("napping")},
    "minute": {"trigger": {"schedule": {"cron": "* * * * *", "missed": "all"}}},
}


@pytest.mark.parametrize("wrong", ["+1y", pytest.param("-1d", marks=pytest.mark.long)])
def test_leases_sleeps_and_records_go_by_the_database(
    quick_path: Path, zygote: Zygote, postgres_url: str, wrong: str
) -> None:
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        pytest.skip("libfaketime, which sets a process's clock, is not installed")
    # Only the wall clock is set: others do not jump when somebody sets it.
    env = {"LD_PRELOAD": str(library), "FAKETIME": wrong, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    project = SharedProject(quick_path, zygote, postgres_url, env)
    project.lay_out(NAPPING, lease=2, **EXECUTORS)
    path = project.webhook_path("hook")
    hub = project.spawn()
    try:
        hub.wait_ready()
        said = [one for one in hub.messages() if "s off the database's: schedules do not fire here" in one]
        assert len(said) == 1
        begun = SystemClock().now()
        assert hub.post(path, json={}).status_code == 202
        until(
            lambda: project.store("SELECT status FROM executions") == [("SUCCESS",)], why="it sleeps by another clock"
        )
        ((created, finished),) = project.store("SELECT created_at, finished_at FROM executions")
        assert abs(created - begun) < 60_000
        assert 1_000 <= finished - created < 60_000
        assert project.store("SELECT count(*) FROM slots") == [(0,)]
        assert hub.stop() == 0, hub.log
    finally:
        if hub.process.poll() is None:
            hub.kill()
