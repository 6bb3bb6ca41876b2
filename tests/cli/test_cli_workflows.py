from __future__ import annotations

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from cli_kit import Hub, environment

FIELDS = {
    "id", "workflow", "status", "invoker", "args", "result", "error", "cause", "attempts",
    "created_at", "started_at", "finished_at", "revision", "jobs",
}  # fmt: skip
JOB_FIELDS = {"name", "path", "status", "args", "result", "error", "attempts", "started_at", "finished_at"}


def test_start_and_wait_does_the_work_without_a_server(hub: Hub) -> None:
    ran = hub("workflow", "start", "adding", "-m", "bot", "-a", '{"n": 4}', "-W", "--json")
    assert ran.status == 0
    assert (ran.json["status"], ran.json["result"]) == ("SUCCESS", {"sum": 12})
    assert ran.json["invoker"] == {
        "type": "machine_user",
        "auth_namespace": "main-auth",
        "name": "bot",
        "attributes": {"role": "worker"},
    }
    # Progress is not data.
    assert ran.err == f"execution {ran.json['id']}\n"


def test_an_execution_is_shown_with_the_promised_fields(hub: Hub) -> None:
    started = hub.json("workflow", "start", "adding", "-m", "anonymous", "-a", '{"n": 1}', "-W")
    shown = hub.json("workflow", "executions", started["id"])
    assert shown == started
    assert set(shown) >= FIELDS
    assert shown["invoker"] is None
    assert shown["error"] is None
    assert set(shown["cause"]) == {"executor", "event_id"}
    assert [set(job) for job in shown["jobs"]] == [JOB_FIELDS, JOB_FIELDS]
    assert {job["path"]: job["result"] for job in shown["jobs"]} == {"add": {"sum": 3}, "add/double": 2}
    for moment in ("created_at", "started_at", "finished_at"):
        assert len(shown[moment]) == len("2026-01-01T00:00:00.000Z")
        assert shown[moment].endswith("Z")


def test_without_waiting_it_is_stored_and_done_later(hub: Hub) -> None:
    started = hub.json("workflow", "start", "adding", "-m", "bot")
    assert started == {"id": started["id"], "workflow": "adding", "status": "PENDING"}
    assert hub.json("workflow", "wait", started["id"])["status"] == "SUCCESS"


def test_older_spellings_are_taken(hub: Hub) -> None:
    args = ["workflow", "start", "adding", "--machineuser", "bot", "--arg", '{"n": 2}', "--app", "x", "-W"]
    assert hub.json(*args)["result"] == {"sum": 6}


def test_the_same_key_is_the_same_execution(hub: Hub) -> None:
    first, second = (hub.json("workflow", "start", "adding", "-m", "bot", "-k", "one") for _ in range(2))
    assert first["id"] == second["id"]


def test_a_failure_is_exit_1_and_resuming_goes_on_where_it_was(hub: Hub) -> None:
    failed = hub.json("workflow", "start", "failing", "-m", "bot", "-a", '{"n": 3}', "-W", status=1)
    assert failed["status"] == "FAILED"
    assert failed["error"] == {"type": "NonRetryable", "message": "there is no file mended.txt", "job": "fall-over"}
    assert hub("workflow", "wait", failed["id"]).status == 1

    Path("mended.txt").touch()
    resumed = hub.json("workflow", "resume", failed["id"], "-W")
    assert (resumed["id"], resumed["status"], resumed["result"]) == (failed["id"], "SUCCESS", 6)
    before, after = ({job["name"]: job for job in one["jobs"]}["double"] for one in (failed, resumed))
    assert before == after


def test_time_is_up_is_exit_3_and_what_ended_is_not_touched_again(hub: Hub) -> None:
    started = hub.json("workflow", "start", "stumbling", "-m", "bot")
    ran = hub("workflow", "wait", started["id"], "-t", "400ms")
    assert (ran.status, ran.out) == (3, "")
    assert started["id"] in ran.err
    assert "when a server runs" in ran.err  # nobody works on it now
    while (waiting := hub.json("workflow", "executions", started["id"]))["status"] != "PENDING_RETRY":
        assert hub("workflow", "wait", started["id"], "-t", "200ms").status == 3
    assert waiting["error"]["message"] == "not today"
    assert hub.json("workflow", "cancel", started["id"])["status"] == "CANCELED"
    again = hub("workflow", "cancel", started["id"])
    assert again.status == 1
    assert again.err.startswith("error: ")
    assert hub("workflow", "wait", started["id"]).status == 1


def test_lists_are_newest_first_and_can_be_narrowed(hub: Hub) -> None:
    ids = [hub.json("workflow", "start", name, "-m", "bot")["id"] for name in ("adding", "sleeping", "adding")]
    hub("workflow", "cancel", ids[1])
    assert [one["id"] for one in hub.json("workflow", "executions")] == ids[::-1]
    assert [one["id"] for one in hub.json("workflow", "executions", "--limit", "1")] == ids[2:]
    assert [one["id"] for one in hub.json("workflow", "executions", "-n", "sleeping")] == ids[1:2]
    assert [one["id"] for one in hub.json("workflow", "executions", "-s", "canceled")] == ids[1:2]
    assert hub.json("workflow", "executions", "-s", "FAILED") == []


def test_lines_of_jobs_are_shown_while_waiting_and_later(hub: Hub) -> None:
    ran = hub("workflow", "start", "adding", "-m", "bot", "-a", '{"n": 5}', "-W", "-l")
    assert ran.status == 0
    assert "add/double: doubling 5" in ran.err
    (listed,) = hub.json("workflow", "executions")
    shown = hub.json("workflow", "executions", listed["id"], "-l")
    assert [(line["job"], line["message"]) for line in shown["logs"]] == [("add/double", "doubling 5")]


def test_workflows_are_listed_and_shown(hub: Hub) -> None:
    assert [one["name"] for one in hub.json("workflow", "list")] == ["adding", "failing", "sleeping", "stumbling"]
    shown = hub.json("workflow", "get", "adding")
    assert [job["name"] for job in shown["jobs"]] == ["add", "double"]
    assert shown["input_schema"]["properties"]["n"]["type"] == "integer"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["start", "ading", "-m", "bot"], 'there is no workflow "ading". Did you mean "adding"?'),
        (["start", "adding", "-m", "bott"], 'there is no machine user "bott". Did you mean "bot"?'),
        (["start", "adding", "-m", "guest"], 'it needs the permission "workflow:start:adding"'),
        (["start", "adding", "-m", "bot", "-a", '{"n": "many"}'], "$.n"),
        (["get", "ading"], 'Did you mean "adding"?'),
        (["executions", "01ABC"], 'there is no execution "01ABC"'),
        (["resume", "01ABC"], 'there is no execution "01ABC"'),
        (["wait", "01ABC"], 'there is no execution "01ABC"'),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_exit_1(hub: Hub, args: list[str], said: str) -> None:
    ran = hub("workflow", *args)
    assert (ran.status, ran.out) == (1, "")
    assert said in ran.err
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["start", "adding"], "-m MACHINE_USER"),
        (["start", "adding", "-m", "bot", "-a", "{n: 1}"], "-a is not JSON"),
        (["start", "adding", "-m", "bot", "-a", "@none.json"], "none.json"),
        (["start", "adding", "-m", "bot", "-W", "-t", "soon"], "soon"),
        (["executions", "-s", "LOST"], "LOST"),
        (["exectuions"], "Did you mean 'executions'?"),
    ],
)
def test_wrong_usage_is_exit_2(hub: Hub, args: list[str], said: str) -> None:
    ran = hub("workflow", *args)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "-a: args.json: No such file or directory."),
        (b"\xff\xfe{}", "-a: args.json is not text in UTF-8"),
        (b"[" * 100_000, "-a is not JSON that the hub takes"),
        (b"9" * 5_000, "-a is not JSON that the hub takes"),
        (b"{", "-a is not JSON: "),
    ],
)
def test_a_file_that_holds_no_json_is_told_of(hub: Hub, content: bytes | None, said: str) -> None:
    if content is not None:
        (hub.root / "args.json").write_bytes(content)
    ran = hub("workflow", "start", "adding", "-m", "bot", "-a", "@args.json")
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err


def test_who_stops_waiting_is_told_that_the_execution_is_there(hub: Hub) -> None:
    words = [sys.executable, "-m", "hub", "workflow", "start", "sleeping", "-m", "bot", "-W"]
    with subprocess.Popen(
        words,
        cwd=hub.root,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        # It may be ignored where the tests were begun, as a shell does with what it runs in the background.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - it sets a signal, and no more
    ) as process:
        assert process.stderr is not None
        identifier = process.stderr.readline().removeprefix("execution ").strip()
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
        assert process.wait(60) == 130
    assert told == f"execution {identifier} is not cancelled: `hub workflow wait {identifier}` goes on with this.\n"
    assert hub.json("workflow", "executions", identifier)["status"] in ("PENDING", "RUNNING")


def test_args_may_come_from_a_file(hub: Hub) -> None:
    Path("args.json").write_text('{"n": 7}')
    assert hub.json("workflow", "start", "adding", "-m", "bot", "-a", "@args.json", "-W")["result"] == {"sum": 21}


TALKING = """\
from hub import job, workflow

print("being imported")


@job
async def talk() -> str:
    print("at work")
    return "done"


talking = workflow("talking", talk)
"""


def test_what_workflows_print_is_not_data_of_the_command(hub: Hub) -> None:
    (hub.root / "workflows/talking.py").write_text(TALKING)
    ran = hub("workflow", "start", "talking", "-m", "anonymous", "-W", "--json")
    assert ran.json["result"] == "done"
    assert {"being imported", "at work"} <= set(ran.err.splitlines())
    assert hub("check", "--json").json == []
