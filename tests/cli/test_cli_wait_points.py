"""`hub wait-point`: questions that executions ask, answered from the command line."""

from __future__ import annotations

from typing import Any

import pytest
from cli_kit import CONFIG, Hub, serving

ASKING = """\
from __future__ import annotations

import asyncio
from pathlib import Path

from pydantic import BaseModel

from hub import Context, job, wait_point, workflow


class Request(BaseModel):
    message: str


class Answer(BaseModel):
    approved: bool


approval = wait_point("approval", payload=Request, result=Answer, permission="order:approve")


@job
async def ask(ctx: Context) -> str:
    answer = await approval.wait({"message": "may I?"}, timeout="3d")
    return "yes" if answer.approved else "no"


@job
async def work(ctx: Context) -> None:
    while not Path("answered").exists():
        await asyncio.sleep(0.01)


@job
async def ask_at_work(ctx: Context) -> list[bool]:
    going = work.trigger()
    answer = await approval.wait({"message": "may I?"})
    still = not going.done()
    Path("answered").touch()
    return [answer.approved, still]


asking = workflow(name="asking", main_job=ask)
asking_at_work = workflow(name="asking-at-work", main_job=ask_at_work)
"""

USERS = """\
      boss: {permissions: ["wait-point:resolve:appr*", "order:approve"]}
      clerk: {permissions: ["wait-point:resolve:*"]}
"""


@pytest.fixture
def asked(hub: Hub) -> str:
    """An execution that waits for an answer."""
    (hub.root / "workflows/asking.py").write_text(ASKING)
    (hub.root / "config/hub.yaml").write_text(CONFIG + USERS)
    execution_id = str(hub.json("workflow", "start", "asking", "-m", "anonymous")["id"])
    while not hub.json("wait-point", "list"):
        assert hub("workflow", "wait", execution_id, "-t", "100ms").status == 3
    found: list[dict[str, Any]] = hub.json("workflow", "executions")
    assert (found[0]["status"], found[0]["reason"][:31]) == ("WAITING", "waits for an answer to approval")
    return execution_id


def resolve(hub: Hub, *args: str) -> Any:
    return hub("wait-point", "resolve", *args, "--json")


def test_what_is_asked_is_listed_and_answered_once(hub: Hub, asked: str) -> None:
    (row,) = hub.json("wait-point", "list")
    assert {key: row[key] for key in ("execution_id", "workflow", "key", "state", "payload", "permission")} == {
        "execution_id": asked,
        "workflow": "asking",
        "key": "approval",
        "state": "WAITING",
        "payload": {"message": "may I?"},
        "permission": "order:approve",
    }
    assert row["deadline"].endswith("Z")
    lines = hub("wait-point", "list").lines()
    assert lines[0][:3] == ["execution_id", "key", "state"]
    assert resolve(hub, asked, "approval", "-d", '{"approved": true}').json == {
        "execution_id": asked,
        "key": "approval",
        "state": "RESOLVED",
    }
    again = resolve(hub, asked, "approval", "-d", '{"approved": false}')
    assert (again.status, again.out) == (1, "")
    assert "answered before" in again.err
    assert hub.json("wait-point", "list") == []
    (row,) = hub.json("wait-point", "list", "--all")
    assert (row["state"], row["resolved_by"], row["result"]) == ("RESOLVED", "cli", {"approved": True})
    assert hub.json("workflow", "wait", asked)["result"] == "yes"


def test_answers_that_are_refused(hub: Hub, asked: str) -> None:
    yes = '{"approved": true}'
    for args, status, told in (
        (("approval", "-d", '{"approved": "perhaps"}'), 1, "$.approved: "),
        (("approval", "-d", "{"), 2, "-d is not JSON"),
        (("aproval", "-d", "1"), 1, 'Did you mean "approval"?'),
        (("approval", "-d", yes, "-m", "guest"), 1, "wait-point:resolve:approval"),
        (("approval", "-d", yes, "-m", "clerk"), 1, "order:approve"),
        (("approval", "-d", yes, "-m", "nobody"), 1, "machine user"),
    ):
        ran = resolve(hub, asked, *args)
        assert (ran.status, ran.out) == (status, "")
        assert told in ran.err
        assert "Traceback" not in ran.err
    assert len(hub.json("wait-point", "list")) == 1


def test_who_answered_is_recorded(hub: Hub, asked: str) -> None:
    assert resolve(hub, asked, "approval", "-d", '{"approved": false}', "-m", "boss").status == 0
    (row,) = hub.json("wait-point", "list", "--all", "--execution", asked)
    assert row["resolved_by"] == "machine-user:main-auth/boss"
    assert hub.json("workflow", "wait", asked)["result"] == "no"


def test_an_answer_before_the_question_is_kept(hub: Hub) -> None:
    (hub.root / "workflows/asking.py").write_text(ASKING)
    execution_id = hub.json("workflow", "start", "asking", "-m", "anonymous")["id"]
    assert resolve(hub, execution_id, "approval", "-d", '{"approved": true}').json["state"] == "KEPT"
    assert hub.json("workflow", "wait", execution_id)["result"] == "yes"


def test_nobody_by_that_name(hub: Hub) -> None:
    ran = resolve(hub, "01NOSUCH", "approval", "-d", "1")
    assert (ran.status, ran.err) == (1, 'error: there is no execution "01NOSUCH".\n')


def test_two_wait_points_of_one_name_are_a_problem(hub: Hub) -> None:
    (hub.root / "workflows/asking.py").write_text(ASKING)
    (hub.root / "workflows/other.py").write_text('from hub import wait_point\n\nelse_ = wait_point("approval")\n')
    (hub.root / "workflows/same.py").write_text(
        "from workflows.asking import approval\n\nfor_one = approval.with_(n=1)\n"
    )
    ran = hub("check")
    assert ran.status == 1
    assert "workflows/other.py:3" in ran.out + ran.err
    assert 'there is a wait point "approval" already' in ran.out + ran.err
    assert "same.py" not in ran.out + ran.err


def test_a_server_hears_of_answers_from_other_processes(hub: Hub) -> None:
    """Also where the execution is not parked: something else goes on beside the question."""
    (hub.root / "workflows/asking.py").write_text(ASKING)
    with serving(hub.root):
        parked = hub.json("workflow", "start", "asking", "-m", "anonymous")["id"]
        at_work = hub.json("workflow", "start", "asking-at-work", "-m", "anonymous")["id"]
        for execution_id in (at_work, parked):
            while not hub.json("wait-point", "list", "--execution", execution_id):
                pass
            assert resolve(hub, execution_id, "approval", "-d", '{"approved": true}').json["state"] == "RESOLVED"
        assert hub.json("workflow", "wait", parked, "-t", "60s")["result"] == "yes"
        assert hub.json("workflow", "wait", at_work, "-t", "60s")["result"] == [True, True]
