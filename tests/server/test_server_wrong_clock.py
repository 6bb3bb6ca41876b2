"""A real server on a machine whose clock is wrong, beside a database whose clock is right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hub_process import ROOT, Zygote, until
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


def _with_clock(wrong: str) -> dict[str, str]:
    """The environment of a process whose wall clock is so wrong. Others do not jump when somebody sets it."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        pytest.skip("libfaketime, which sets a process's clock, is not installed")
    return {"LD_PRELOAD": str(library), "FAKETIME": wrong, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@pytest.mark.parametrize("wrong", ["+1y", pytest.param("-1d", marks=pytest.mark.long)])
def test_leases_sleeps_and_records_go_by_the_database(
    quick_path: Path, zygote: Zygote, postgres_url: str, wrong: str
) -> None:
    project = SharedProject(quick_path, zygote, postgres_url, _with_clock(wrong))
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
        # A look at the database's time that took long may have been off by half of that.
        assert 500 <= finished - created < 60_000
        assert project.store("SELECT count(*) FROM slots") == [(0,)]
        assert hub.stop() == 0, hub.log
    finally:
        if hub.process.poll() is None:
            hub.kill()


def test_what_a_command_starts_elsewhere_is_due_now(quick_path: Path, zygote: Zygote, postgres_url: str) -> None:
    """Somebody's machine is an hour ahead: what is started there does not wait an hour, and the nodes are no dead ones."""
    project = SharedProject(quick_path, zygote, postgres_url)
    project.lay_out()
    env = {**os.environ, **_with_clock("+1h"), "PYTHONPATH": str(ROOT)}

    def run_ahead(*argv: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "hub", *argv], cwd=quick_path, env=env, capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    with project.serving():
        started = run_ahead("workflow", "start", "echoing", "-m", "workflow-bot", "--json")
        assert project.ended(started["id"]) == "SUCCESS"
        assert [node["alive"] for node in run_ahead("node", "list", "--json")] == [True]
