"""An execution that takes its process down is found and left alone; those that ran beside it are not blamed."""

from __future__ import annotations

import time

from hub_process import Hub, Project, until
from server_projects import lay_out, noted, start

WORKFLOWS = """
import signal

@job
async def deadly(input, ctx: Context):
    note(ctx)
    await asyncio.sleep(0.05)
    os.kill(os.getpid(), signal.SIGKILL)

@job
async def patient(input, ctx: Context):
    note(ctx)
    await asyncio.sleep(0.2 if os.path.exists("enough") else 600)
    return "patient"

@job
async def quick(input, ctx: Context):
    return input["n"]

poison = workflow("poison", deadly)
long = workflow("long", patient)
short = workflow("short", quick)
"""

#: Suspects are alone for 1.5 s instead of 3: the deadly one needs a moment to show itself.
QUICK = {"suspects_alone_for": 1_500}

EXECUTORS = {"hook": {"trigger": {"webhook": {}}, "target": start("short", "({ n: args.body.n })")}}


def _dies(hub: Hub) -> None:
    assert hub.process.wait() == -9, hub.log


def test_a_deadly_execution_is_left_alone_and_its_neighbours_go_on(project: Project) -> None:
    lay_out(project, WORKFLOWS, **EXECUTORS)
    hub = project.start(plant=QUICK)
    hub.wait_ready()
    for _ in range(3):
        project.run("workflow", "start", "long", "-m", "workflow-bot")
    until(lambda: len(noted(project)) == 3)
    project.run("workflow", "start", "poison", "-m", "workflow-bot")
    _dies(hub)
    deaths = 1
    while True:
        hub = project.start(plant=QUICK)
        if (over := _until_over(project, hub)) is not None:
            break
        deaths += 1
    try:
        hub.wait_ready()
        assert deaths == 3
        (error,) = over
        assert '"WorkerLost"' in error
        path = project.webhook_path("hook")
        assert all(hub.post(path, json={"n": n}).status_code == 202 for n in range(20))
        until(lambda: _count(project, "workflow = 'short' AND status = 'SUCCESS'") == 20)
        until(lambda: _count(project, "workflow = 'long' AND owner IS NOT NULL AND crashes < 2") == 3)
    finally:
        hub.kill()
    # Nobody kills any more: the neighbours come to their end.
    project.write("enough", "")
    with project.serving(plant=QUICK):
        until(lambda: _count(project, "workflow = 'long' AND status = 'SUCCESS'") == 3)
    assert project.run("verify", "--json").json["ok"]


def _count(project: Project, which: str) -> int:
    ((count,),) = project.store(f"SELECT count(*) FROM executions WHERE {which}")
    return int(count)


def _until_over(project: Project, hub: Hub) -> tuple[str] | None:
    """The poison's error once it is left alone; None when the server has died."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        found = project.store("SELECT error FROM executions WHERE workflow = 'poison' AND status = 'FAILED'")
        if found:
            return found[0]
        if hub.process.poll() is not None:
            return None
        time.sleep(0.05)
    raise AssertionError(hub.log)
