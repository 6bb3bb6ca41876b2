"""The command line beside a real server: what it asks for takes effect there."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_process import Hub, Project, Zygote, until
from server_projects import lay_out, noted, put_executor, start

WORKFLOWS = """
@job
async def step(input, ctx: Context):
    note(ctx, time.time_ns() // 1_000_000)
    await asyncio.sleep(0.02)
    return input["n"]

@job
async def many_steps(input, ctx: Context):
    return sum([await step.trigger({"n": n}) for n in range(500)])

@job
async def sound(input, ctx: Context):
    note(ctx)
    return "sound"

@job
async def unsound(input, ctx: Context):
    note(ctx)
    if not os.path.exists("mended"):
        raise RuntimeError("the supplier is closed")
    return "mended"

@job
async def both(input, ctx: Context):
    ctx.log.info("begins")
    return [await sound.trigger(), await unsound.trigger()]

@job
async def gives_a_set(input, ctx: Context):
    return {1, 2}

@job
async def dawdle(input, ctx: Context):
    note(ctx)
    if not os.path.exists("hurry"):
        await asyncio.sleep(30)
    return input

one_at_a_time = workflow("one-at-a-time", dawdle, concurrency_policy=ConcurrencyPolicy(max_concurrent_executions=1))
long = workflow("many-steps", many_steps)
mendable = workflow("mendable", both)
odd = workflow("odd", gives_a_set)
"""


@pytest.fixture(scope="module")
def hub(shared_quick_path: Path, zygote: Zygote) -> Iterator[Hub]:
    project = Project(shared_quick_path, zygote)
    lay_out(
        project,
        WORKFLOWS,
        hook={"trigger": {"webhook": {}, "condition": "args.body.go"}},
        row={
            "trigger": {"event": {"namespace": "shop", "type": "record.created", "model": "items"}},
            "target": start("echoing", "({ name: args.newRecord.name, model: args.model })"),
        },
        nightly={
            "trigger": {"schedule": {"cron": "0 2 * * *"}},
            "target": start("echoing", "({ at: args.scheduledTime })"),
        },
    )
    with project.serving() as running:
        yield running


def test_a_start_that_waits_runs_on_the_server(hub: Hub) -> None:
    ran = hub.project.run("workflow", "start", "echoing", "-m", "workflow-bot", "-a", '{"x": [1]}', "-W", "--json")
    assert ran.code == 0
    view = ran.json
    assert (view["status"], view["result"], view["attempts"]) == ("SUCCESS", {"x": [1]}, 1)
    owners = hub.project.store("SELECT pid FROM nodes")
    assert owners == [(hub.process.pid,)], "no other process has taken a lease"


@pytest.mark.parametrize(
    ("argv", "status", "sentence"),
    [
        (["workflow", "start", "echoin", "-m", "workflow-bot"], 1, '"echoing"'),
        (["workflow", "start", "echoing", "-m", "workflow-bo"], 1, '"workflow-bot"'),
        (["workflow", "start", "echoing", "-m", "visitor"], 1, "workflow:start:echoing"),
        (["workflow", "start", "echoing", "-m", "workflow-bot", "-a", "{"], 2, "-a is not JSON"),
        (["workflow", "cancel", "01AAAAAAAAAAAAAAAAAAAAAAAA"], 1, "there is no execution"),
        (["workflow", "resume", "01AAAAAAAAAAAAAAAAAAAAAAAA"], 1, "there is no execution"),
        (["event", "replay", "01AAAAAAAAAAAAAAAAAAAAAAAA"], 1, "there is no event"),
        (["executor", "trigger", "hok"], 1, '"hook"'),
    ],
)
def test_what_cannot_be_done_is_told(hub: Hub, argv: list[str], status: int, sentence: str) -> None:
    ran = hub.project.run(*argv)
    assert ran.code == status
    assert sentence in ran.err
    assert "Traceback" not in ran.err


def test_a_cancel_takes_effect_while_it_runs(hub: Hub) -> None:
    project = hub.project
    execution = project.run("workflow", "start", "many-steps", "-m", "workflow-bot", "--json").json["id"]

    def steps() -> list[int]:
        return [int(words[2]) for words in noted(project) if words[0].startswith(execution)]

    until(lambda: len(steps()) >= 5)
    assert project.run("workflow", "cancel", execution, "--json").json == {"id": execution, "status": "CANCELED"}
    answered_at = time.time_ns() // 1_000_000
    time.sleep(0.5)
    late = [at for at in steps() if at > answered_at]
    assert len(late) <= 1, "the one that was beginning at that very moment"
    assert len(steps()) < 450, "the cancel came in the middle"
    assert project.status(execution) == "CANCELED"
    again = project.run("workflow", "cancel", execution)
    assert again.code == 1
    assert "is CANCELED and cannot be canceled" in again.err


def test_a_failed_execution_is_resumed_and_finished_jobs_do_not_run_again(hub: Hub) -> None:
    project = hub.project
    failed = project.run("workflow", "start", "mendable", "-m", "workflow-bot", "-W", "-l", "--json")
    assert failed.code == 1
    view = failed.json
    assert view["status"] == "FAILED"
    assert view["error"] == {"type": "RuntimeError", "message": "the supplier is closed", "job": "unsound"}
    assert "begins" in failed.err
    project.write("mended", "")
    resumed = project.run("workflow", "resume", view["id"], "-W", "--json")
    assert resumed.code == 0
    assert resumed.json["result"] == ["sound", "mended"]
    assert resumed.json["id"] == view["id"]
    assert resumed.json["attempts"] == 2
    paths = [words[0].split("/", 1)[1] for words in noted(project) if words[0].startswith(view["id"])]
    assert sorted(paths) == ["both/sound", "both/unsound", "both/unsound"]


def test_a_result_that_is_not_json_fails_with_its_path(hub: Hub) -> None:
    ran = hub.project.run("workflow", "start", "odd", "-m", "workflow-bot", "-W", "--json")
    assert ran.code == 1
    assert ran.json["error"]["message"] == "$: set is not JSON"
    assert ran.json["error"]["job"] == "gives-a-set"


@pytest.mark.parametrize(
    ("argv", "result"),
    [
        (["hook", "-d", '{"go": 1, "n": 2}'], {"go": 1, "n": 2}),
        (["row", "-d", '{"id": 7, "name": "axe"}'], {"name": "axe", "model": "items"}),
        (["nightly", "-d", '{"scheduledTime": "2026-05-04T02:00:00.000Z"}'], {"at": "2026-05-04T02:00:00.000Z"}),
    ],
)
def test_an_executor_is_triggered_by_hand(hub: Hub, argv: list[str], result: object) -> None:
    ran = hub.project.run("executor", "trigger", *argv, "-W", "--json")
    assert ran.code == 0, ran
    assert ran.json["result"] == result
    event = hub.project.event(ran.json["cause"]["event_id"])
    assert event["source"] == f"manual:{argv[0]}"
    assert [one["outcome"] for one in event["deliveries"]] == ["started"], "dispatched once, whoever was first"


def test_one_that_starts_nothing_says_why(hub: Hub) -> None:
    ran = hub.project.run("executor", "trigger", "hook", "-d", '{"go": 0}', "-W", "--json")
    assert ran.code == 0
    (delivery,) = ran.json["deliveries"]
    assert delivery["outcome"] == "filtered"
    assert "args.body.go" in delivery["reason"]


def test_a_pause_holds_from_the_moment_it_is_told(hub: Hub) -> None:
    project = hub.project
    path = project.webhook_path("hook")

    def outcome_of_next() -> str:
        delivery = hub.post(path, json={"go": True}).json()["deliveries"][0]["id"]
        ((found,),) = until(lambda: project.store("SELECT outcome FROM deliveries WHERE id = ?", delivery))
        assert isinstance(found, str)
        return found

    assert outcome_of_next() == "started"
    assert project.run("executor", "pause", "hook").code == 0
    assert outcome_of_next() == "paused"
    assert [one["state"] for one in project.run("executor", "list", "--json").json if one["name"] == "hook"] == [
        "paused"
    ]
    assert project.run("executor", "resume", "hook").code == 0
    assert outcome_of_next() == "started"


def test_a_failed_delivery_is_replayed_after_its_file_is_mended(project: Project) -> None:
    broken = {"trigger": {"webhook": {}}, "target": start("echoing", "({ n: args.body.order.number })")}
    lay_out(project, hook=broken)
    with project.serving() as hub:
        event = hub.post(project.webhook_path("hook"), json={"number": 5}).json()["event_id"]
        ((outcome, reason, execution),) = until(lambda: project.outcomes("hook"))
        assert (outcome, execution) == ("failed", None)
        assert "variables, line 1" in reason
        assert "number" in reason
        again = project.run("event", "replay", event, "--json")
        assert again.code == 1, "it fails the same as long as the file is the same"
        assert hub.stop() == 0
    put_executor(project, "hook", {**broken, "target": start("echoing", "({ n: args.body.number })")})
    with project.serving():
        replayed = project.run("event", "replay", event, "--json")
        assert replayed.code == 0
        (delivery,) = replayed.json
        assert delivery["outcome"] == "started"
        assert delivery["id"] == f"{event}.hook#3"
        assert project.ended(delivery["execution_id"]) == "SUCCESS"
        view = project.execution(delivery["execution_id"])
        assert (view["result"], view["cause"]) == ({"n": 5}, {"executor": "hook", "event_id": event})
        once_more = project.run("event", "replay", event, "--json").json[0]
        assert once_more["execution_id"] != delivery["execution_id"], "each replay is meant"
        assert project.ended(once_more["execution_id"]) == "SUCCESS"
        outcomes = [one["outcome"] for one in project.event(event)["deliveries"]]
        assert sorted(outcomes) == ["failed", "failed", "started", "started"]


def test_without_a_server_a_command_does_the_work_and_a_server_that_comes_takes_over(project: Project) -> None:
    lay_out(project, WORKFLOWS)
    ran = project.run("workflow", "start", "echoing", "-m", "workflow-bot", "-a", '{"x": 1}', "-W", "--json")
    assert (ran.code, ran.json["result"]) == (0, {"x": 1})
    left = project.run("workflow", "start", "echoing", "-m", "workflow-bot", "--json").json["id"]
    with project.serving():
        assert project.ended(left) == "SUCCESS"


def test_a_server_that_is_started_again_finds_its_seat_though_a_command_waits(project: Project) -> None:
    lay_out(project, WORKFLOWS)
    with project.serving() as hub:
        # However long the next server takes to begin.
        plant = {"seat_looks": 1_000}
        waiting, _, _ = project.begin("workflow", "start", "one-at-a-time", "-m", "workflow-bot", "-W", plant=plant)
        until(lambda: noted(project))
        hub.kill()
        time.sleep(0.6)  # longer than between two looks of the command
    project.write("hurry", "")
    with project.serving():
        assert waiting.wait() == 0


def test_a_command_that_waits_for_a_server_goes_on_when_the_server_dies(project: Project) -> None:
    lay_out(project, WORKFLOWS)
    with project.serving() as hub:
        waiting, out, _ = project.begin(
            "workflow", "start", "one-at-a-time", "-m", "workflow-bot", "-a", '{"n": 1}', "-W", "--json"
        )
        until(lambda: noted(project))
        project.write("hurry", "")
        hub.kill()
        assert waiting.wait() == 0
    assert json.loads(out.read_text())["result"] == {"n": 1}
