"""A real server begins, is refused what another one holds, and stops in order."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import httpx
import pytest
from hub_process import Project, until
from server_projects import lay_out, noted, put_executor, start

LONG = """
@job
async def long_async(input, ctx: Context):
    note(ctx, "began")
    if ctx.attempt == 1 and not os.path.exists("hurry"):
        await asyncio.sleep(600)
    return "slept"

@job
def long_plain(input, ctx: Context):
    note(ctx, "began")
    if not os.path.exists("hurry"):
        time.sleep(600)
    return "slept"

@job
async def quick(input, ctx: Context):
    note(ctx, "began")
    return "quick"

@job
async def around_async(input, ctx: Context):
    return [await quick.trigger(), await long_async.trigger()]

@job
def around_plain(input, ctx: Context):
    return [quick.trigger().result(), long_plain.trigger().result()]

@job
async def blocking(input, ctx: Context):
    note(ctx, "began")
    if not os.path.exists("hurry"):
        time.sleep(600)  # what a job must not do: its whole loop stands still
    return "woke"

asynchronous = workflow("asynchronous", around_async)
plain = workflow("plain", around_plain)
blocks = workflow("blocks", blocking)

@job
async def half_a_second(input, ctx: Context):
    await asyncio.sleep(0.5)
    return "in time"

short = workflow("short", half_a_second)
"""


def begin(project: Project, workflow: str) -> str:
    """Its execution's id."""
    identifier: str = project.run("workflow", "start", workflow, "-m", "workflow-bot", "--json").json["id"]
    return identifier


def test_a_stop_lets_short_jobs_finish_gives_long_ones_back_and_they_go_on_after_the_next_start(
    project: Project,
) -> None:
    lay_out(project, LONG)
    with project.serving() as hub:
        ids = [begin(project, name) for name in ("asynchronous", "plain")]
        until(lambda: len([line for line in noted(project) if "/long-" in line[0].replace("around-", "")]) >= 2)
        short = begin(project, "short")
        until(lambda: project.status(short) == "RUNNING")
        assert hub.stop() == 0
        assert "stopped; 2 executions go on at the next start" in hub.messages()
    assert [project.status(one) for one in ids] == ["PENDING"] * 2, "parked, not left behind"
    assert project.status(short) == "SUCCESS"
    project.write("hurry", "")
    with project.serving() as hub:
        assert [project.ended(one) for one in ids] == ["SUCCESS"] * 2
        for one in ids:
            view = project.execution(one)
            assert view["result"] == ["quick", "slept"]
            assert view["attempts"] == 1, "a restart is no attempt of the execution's own"
        assert hub.stop() == 0
    began = [line[0] for line in noted(project)]
    assert sorted(began.count(one) for one in set(began)) == [1, 1, 2, 2], "what had finished did not run again"


def test_a_job_that_blocks_the_loop_cannot_keep_the_server_alive(project: Project) -> None:
    lay_out(project, LONG)
    with project.serving() as hub:
        execution = begin(project, "blocks")
        until(lambda: noted(project))
        assert httpx.get(f"{hub.url}/healthz", timeout=60).status_code == 200, "the door is not behind the jobs"
        assert hub.stop() == 0
    project.write("hurry", "")
    with project.serving():
        assert project.ended(execution) == "SUCCESS"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_stops_at_once(project: Project, number: signal.Signals) -> None:
    lay_out(project)
    with project.serving(plant={"grace": 3_600}) as hub:
        hub.process.send(number)
        assert hub.process.wait() == 0, "nothing runs that it could wait for"


def test_a_second_server_on_the_same_store_is_refused(project: Project) -> None:
    lay_out(project)
    with project.serving() as hub:
        second = project.run("serve", "--port", "0")
        assert second.code == 1
        assert second.err.strip().splitlines()[-1] == (
            "error: another hub serves this store already: stop it first, or give this project its own store."
        )
        assert httpx.get(f"{hub.url}/readyz", timeout=60).status_code == 200, "the first one does not mind"
        hub.kill()
    with project.serving():
        """A killed server leaves its seat free."""


def test_an_address_that_is_taken_is_told(project: Project) -> None:
    lay_out(project)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused = project.run("serve", "--port", str(port))
    assert refused.code == 1
    assert refused.err.strip().splitlines()[-1] == (
        f"error: http://127.0.0.1:{port} cannot be listened on: another program listens there already. "
        "Choose another address with --host and --port, or under server in config/hub.yaml."
    )
    with project.serving():
        """And the seat is free again."""


def test_an_evaluator_does_not_outlive_a_killed_server(project: Project) -> None:
    lay_out(project, anything={"trigger": {"webhook": {}}})
    with project.serving() as hub:
        hub.post(project.webhook_path("anything"), json={})
        until(lambda: project.outcomes("anything"))
        everybody = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        children = [pid for pid in everybody if parent(pid) == hub.process.pid]
        assert children, "expressions are evaluated in a process of their own"
        hub.kill()
    until(lambda: all(parent(child) is None for child in children))


def parent(pid: int) -> int | None:
    """The parent of a process that lives; None: it does not."""
    try:
        state, ppid = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return None
    return None if state == "Z" else int(ppid)


def test_a_folder_that_is_no_project_is_told(project: Project) -> None:
    for name in ("config", "executors"):
        (project.folder / name).rmdir()
    refused = project.run("serve")
    assert refused.code == 2
    assert "is no project" in refused.err


def test_a_config_that_cannot_be_used_stops_the_start_with_every_problem(project: Project) -> None:
    lay_out(project)
    project.write("config/hub.yaml", "server: {prot: 80}\nstores: x\n")
    refused = project.run("serve")
    assert refused.code == 1
    assert refused.err.splitlines() == [
        'config/hub.yaml:1:10: unknown key "prot". Did you mean "port"?',
        'config/hub.yaml:2:1: unknown key "stores". Did you mean "store"?',
        "nothing is served: config/hub.yaml or config/secrets.yaml cannot be used as it is.",
    ]


def test_a_store_of_a_newer_hub_is_refused(project: Project) -> None:
    lay_out(project)
    with project.serving() as hub:
        assert hub.stop() == 0
    ((version,),) = project.sqlite("hub.db", "SELECT value FROM meta WHERE key = 'schema'")
    project.sqlite("hub.db", "UPDATE meta SET value = '999' WHERE key = 'schema'")
    refused = project.run("serve", "--port", "0")
    assert refused.code == 1
    assert "a newer hub has used it" in refused.err
    assert "Traceback" not in refused.err
    project.sqlite("hub.db", "UPDATE meta SET value = ? WHERE key = 'schema'", version)


def test_executions_of_a_workflow_that_is_gone_wait_for_it(project: Project) -> None:
    lay_out(project, LONG)
    put_executor(project, "anything", {"trigger": {"webhook": {}}, "target": start("short")})
    execution = begin(project, "short")
    lay_out(project)
    with project.serving() as hub:
        time.sleep(0.3)
        assert project.status(execution) == "PENDING"
        assert hub.stop() == 0
    lay_out(project, LONG)
    with project.serving():
        assert project.ended(execution) == "SUCCESS"
