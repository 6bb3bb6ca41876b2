"""A real server: several executors on one sender, each with its events and its condition."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_process import Hub, Project, Zygote, until
from server_projects import lay_out, put_executor

SECRET = "a-secret-of-enough-bytes-000000"
EXECUTORS = {
    "github-in": {
        "trigger": {"webhook": {"verify": {"preset": "github", "secret": "${secret:GITHUB}"}, "events": ["push"]}}
    },
    "on-main": {
        "trigger": {
            "webhook": {"source": "github-in", "events": ["push"]},
            "condition": 'args.body.ref === "refs/heads/main"',
        }
    },
    "on-review": {"trigger": {"webhook": {"source": "github-in", "events": ["pull_request.*"]}}},
    "open-in": {"trigger": {"webhook": {}}},
    "open-too": {"trigger": {"webhook": {"source": "open-in"}}},
}


@pytest.fixture
def project(quick_path: Path, zygote: Zygote) -> Project:
    made = Project(quick_path, zygote, {"GITHUB": SECRET})
    lay_out(made, **{name.replace("-", "_"): given for name, given in EXECUTORS.items()})
    return made


@pytest.fixture
def hub(project: Project) -> Iterator[Hub]:
    with project.serving() as running:
        yield running


def test_each_takes_what_is_its_own(hub: Hub) -> None:
    project = hub.project

    def send(event: str, body: dict[str, str]) -> dict[str, object]:
        raw = json.dumps(body).encode()
        digest = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
        headers = {
            "content-type": "application/json",
            "x-hub-signature-256": f"sha256={digest}",
            "x-github-event": event,
        }
        answer = hub.post("/webhooks/github-in", content=raw, headers=headers)
        assert answer.status_code == 202
        found: dict[str, object] = answer.json()
        return found

    given = send("push", {"ref": "refs/heads/main"})
    assert [one["executor"] for one in given["deliveries"]] == ["github-in", "on-main", "on-review"]  # type: ignore[attr-defined]  # a list
    send("push", {"ref": "refs/heads/other"})
    send("pull_request", {"action": "opened"})
    names = ("github-in", "on-main", "on-review")
    until(lambda: all(len(project.outcomes(name)) == 3 for name in names))
    outcomes = {name: [outcome for outcome, _, _ in project.outcomes(name)] for name in names}
    assert outcomes == {
        "github-in": ["started", "started", "filtered"],
        "on-main": ["started", "filtered", "filtered"],
        "on-review": ["filtered", "filtered", "started"],
    }
    assert send("push", {"ref": "refs/heads/main"})["event_id"] == given["event_id"], "one repetition for all of them"
    assert hub.post("/webhooks/on-main", content=b"{}").status_code == 404


def test_their_address_is_that_of_their_source(hub: Hub) -> None:
    listed = {one["executor"]: one["url"] for one in hub.project.run("executor", "webhook", "list", "--json").json}
    assert listed["on-main"] == listed["github-in"]
    assert listed["open-too"] == listed["open-in"]
    answer = hub.post(hub.project.webhook_path("open-too"), json={"n": 1})
    assert [one["executor"] for one in answer.json()["deliveries"]] == ["open-in", "open-too"]


def test_a_source_that_is_none_is_found_before_anything_runs(project: Project) -> None:
    put_executor(project, "on-review", {"trigger": {"webhook": {"source": "github-inn"}}})
    put_executor(project, "open-too", {"trigger": {"webhook": {"source": "on-main", "methods": ["PUT"]}}})
    ran = project.run("check")
    assert ran.code == 1
    assert "github-in" in ran.out
    assert "methods belongs to the executor that source names" in ran.out
