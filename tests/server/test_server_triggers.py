"""A real server: each kind of trigger starts a workflow, and every occurrence has an outcome with a reason."""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from gidgethub.sansio import Event as GithubEvent
from hub_process import Hub, Project, Zygote, until
from kit import PATIENCE
from server_projects import lay_out, noted, start

SECRET = "it-is-only-known-to-github-and-to-us"
MINUTE = 60_000

EXECUTORS = {
    "row": {
        "trigger": {
            "event": {"namespace": "shop", "type": ["record.created", "record.updated"], "model": "items"},
            "condition": "(args.newRecord || args.oldRecord).total > 100",
        },
        "target": start(
            "echoing", "({ event: args.event, id: context.event.data.id, changed: args.changed, old: args.oldRecord })"
        ),
    },
    "push": {
        "trigger": {
            "webhook": {"verify": {"preset": "github", "secret": "${secret:GITHUB}"}, "events": ["push"]},
            "condition": 'args.body.ref === "refs/heads/main"',
        },
        "target": start("echoing", {"ref": "${{ args.body.ref }}", "name": "${{ args.headers['x-github-event'] }}"}),
    },
    "anything": {"trigger": {"webhook": {}}},
    "minutely": {
        "trigger": {"schedule": {"cron": "* * * * *"}},
        "target": start("echoing", "({ at: args.scheduledTime, next: args.nextTime })"),
    },
}


@pytest.fixture(scope="module")
def hub(shared_quick_path: Path, zygote: Zygote) -> Iterator[Hub]:
    project = Project(shared_quick_path, zygote, {"GITHUB": SECRET})
    lay_out(project, **EXECUTORS)
    # A clock that is four seconds before the next minute when the server is up.
    now = time.time_ns() // 1_000_000
    with project.serving(plant={"ahead": MINUTE - now % MINUTE - 4_000}) as running:
        yield running


def shop(project: Project, *statements: str, commit: bool = True) -> None:
    with closing(sqlite3.connect(project.folder / "var" / "shop.db", timeout=60)) as connection:
        for statement in statements:
            connection.execute(statement)
        if commit:
            connection.commit()


def test_a_row_starts_a_workflow_and_one_that_does_not_matter_is_filtered(hub: Hub) -> None:
    project = hub.project
    shop(project, "INSERT INTO items (id, name, total) VALUES (1, 'lathe', 900)", "DELETE FROM items WHERE id = 99")
    shop(project, "INSERT INTO items (id, name, total) VALUES (2, 'screw', 1)")
    shop(project, "INSERT INTO items (id, name, total) VALUES (3, 'ghost', 900)", commit=False)
    shop(project, "UPDATE items SET total = 950 WHERE id = 1")
    until(lambda: len(project.outcomes("row")) == 3)
    created, filtered, updated = project.outcomes("row")
    assert (created[0], filtered[0], updated[0]) == ("started", "filtered", "started")
    assert "(args.newRecord || args.oldRecord).total > 100" in filtered[1]
    assert filtered[2] is None
    assert created[2] is not None
    assert updated[2] is not None
    assert [project.ended(one[2] or "") for one in (created, updated)] == ["SUCCESS"] * 2
    assert project.execution(created[2])["result"] == {"event": "created", "id": 1, "changed": [], "old": None}
    view = project.execution(updated[2])
    assert view["result"] == {
        "event": "updated",
        "id": 1,
        "changed": ["total"],
        "old": {"id": 1, "name": "lathe", "total": 900.0},
    }
    assert view["invoker"]["name"] == "workflow-bot"
    assert view["cause"]["executor"] == "row"
    assert project.event(view["cause"]["event_id"])["source"] == "record:shop"


def github(event: str, delivery: str, body: object) -> tuple[bytes, dict[str, str]]:
    raw = json.dumps(body).encode()
    signature = "sha256=" + hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/json",
        "x-github-event": event,
        "x-github-delivery": delivery,
        "x-hub-signature-256": signature,
    }
    GithubEvent.from_http(headers, raw, secret=SECRET)  # another implementation takes it, too
    return raw, headers


@pytest.mark.parametrize(
    ("event", "ref", "outcome", "reason"),
    [
        ("push", "refs/heads/main", "started", "was started"),
        ("push", "refs/heads/dev", "filtered", "args.body.ref ==="),
        ("ping", "refs/heads/main", "filtered", '"ping" is not among push'),
    ],
)
def test_a_signed_push_starts_a_workflow_others_are_filtered(
    hub: Hub, event: str, ref: str, outcome: str, reason: str
) -> None:
    project = hub.project
    raw, headers = github(event, f"id-{event}-{ref[-3:]}", {"ref": ref, "hook": event})
    first = hub.post("/webhooks/push", content=raw, headers=headers)
    again = hub.post("/webhooks/push", content=raw, headers=headers)
    assert first.status_code == again.status_code == 202
    assert again.text == first.text, "a repeated delivery gets the same answer"
    (delivery,) = first.json()["deliveries"]
    assert delivery["executor"] == "push"
    (found,) = until(
        lambda: project.store("SELECT outcome, reason, execution_id FROM deliveries WHERE id = ?", delivery["id"])
    )
    assert found[0] == outcome
    assert reason in found[1]
    repeated = [one for one in project.event(first.json()["event_id"])["deliveries"] if one["outcome"] == "duplicate"]
    assert len(repeated) == 1
    assert "before" in repeated[0]["reason"]
    if outcome == "started":
        assert project.ended(found[2]) == "SUCCESS"
        assert project.execution(found[2])["result"] == {"ref": ref, "name": "push"}


def test_a_webhook_with_nothing_set_is_opened_by_its_address(hub: Hub) -> None:
    project = hub.project
    path = project.webhook_path("anything")
    assert len(path.rpartition("/")[2]) >= 22, "128 bits and more"
    answer = hub.post(path, json={"hello": ["world", 1]})
    assert answer.status_code == 202
    body = answer.json()
    assert set(body) == {"event_id", "deliveries"}
    (started,) = until(lambda: [one for one in project.outcomes("anything") if one[0] == "started"])
    assert project.ended(started[2] or "") == "SUCCESS"
    assert project.execution(started[2] or "")["result"] == {"hello": ["world", 1]}
    assert [words for words in noted(project) if words[0].startswith(started[2] or "?")], "it has really run"
    for wrong in ("/webhooks/anything", path[:-1], path + "x", "/webhooks/nobody"):
        assert hub.post(wrong, json={}).status_code == 404


def test_a_slot_starts_a_workflow(hub: Hub) -> None:
    project = hub.project
    found = until(lambda: project.outcomes("minutely"), 60 + PATIENCE)  # it is due every minute
    assert found[0][0] == "started"
    execution = found[0][2] or ""
    assert project.ended(execution) == "SUCCESS"
    result = project.execution(execution)["result"]
    assert result["at"].endswith(":00.000Z")
    assert result["next"] > result["at"]
    assert project.run("executor", "jobs", "minutely", "--json").json[-1]["execution_id"] == execution


def test_slots_that_passed_while_nothing_ran_are_made_up_for_or_recorded(project: Project) -> None:
    lay_out(project, late=EXECUTORS["minutely"])
    with project.serving() as hub:
        assert hub.stop() == 0
    # As if it had been down since ten minutes ago.
    project.sqlite("hub.db", "UPDATE schedules SET next_fire_at = next_fire_at - 600000")
    with project.serving():
        until(lambda: [one for one in project.outcomes("late") if one[0] == "started"])
        slots = project.store("SELECT at, outcome, reason FROM slots ORDER BY at")
        started = [slot for slot in slots if slot[1] is None]
        missed = [slot for slot in slots if slot[1] == "missed"]
        assert len(started) in (1, 2), "the latest one, and one more when a minute has just begun"
        assert len(missed) + len(started) >= 10, slots
        assert all(reason for *_, reason in missed)


def test_real_processes_do_the_same(project: Project) -> None:
    """Not a fork that was prepared: `python -m hub serve`, as people start it."""
    lay_out(project, anything=EXECUTORS["anything"])
    hub = project.spawn()
    try:
        hub.wait_ready()
        path = project.webhook_path("anything")
        assert hub.post(path, json={"n": 1}).status_code == 202
        (started,) = until(lambda: project.outcomes("anything"))
        assert project.ended(started[2] or "") == "SUCCESS"
        assert hub.stop() == 0
    finally:
        if hub.process.poll() is None:
            hub.kill()
    assert "stopped; 0 executions go on at the next start" in hub.messages()
    assert not Path(f"/proc/{hub.process.pid}").exists()
