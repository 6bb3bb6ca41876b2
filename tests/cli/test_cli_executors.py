from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path

import pytest
from cli_kit import Hub

NAMES = ["github-push", "nightly", "number-webhook", "row-created"]


def test_executors_are_listed_by_name(hub: Hub) -> None:
    rows = hub.json("executor", "list")
    assert [row["name"] for row in rows] == NAMES
    assert hub.json("executor", "list", "--limit", "2") == rows[:2]
    assert {row["name"]: row["kind"] for row in rows} == {
        "github-push": "webhook",
        "nightly": "schedule",
        "number-webhook": "webhook",
        "row-created": "event",
    }
    assert {row["state"] for row in rows} == {"enabled"}


def test_one_executor_is_shown_with_its_place(hub: Hub) -> None:
    shown = hub.json("executor", "get", "row-created")
    assert shown["trigger"] == {"namespace": "shop", "type": ["record.created"], "model": "orders"}
    assert shown["target"] == "adding"
    assert shown["file"].startswith("executors/row-created.yaml:")


def test_webhooks_have_their_address_and_the_token_stays_the_same(hub: Hub) -> None:
    rows = hub.json("executor", "webhook", "list")
    assert [(row["executor"], row["disabled"]) for row in rows] == [("github-push", False), ("number-webhook", False)]
    assert rows[0]["url"] == "http://127.0.0.1:8700/webhooks/github-push"
    assert re.fullmatch(r"http://127\.0\.0\.1:8700/webhooks/number-webhook/[\w-]{43}", rows[1]["url"])
    assert hub.json("executor", "webhook", "list") == rows


def test_an_event_by_hand_starts_what_it_would_start(hub: Hub) -> None:
    ended = hub.json("executor", "trigger", "number-webhook", "-d", '{"n": 2}', "-H", "X-Mood: good", "-W")
    assert (ended["status"], ended["result"]) == ("SUCCESS", {"sum": 6})
    assert ended["cause"]["executor"] == "number-webhook"
    event = hub.json("event", "show", ended["cause"]["event_id"])
    assert event["payload"]["headers"] == {"x-mood": "good"}
    assert event["payload"]["body"] == {"n": 2}

    (delivery,) = hub.json("executor", "jobs", "number-webhook")
    assert (delivery["outcome"], delivery["execution_id"]) == ("started", ended["id"])
    assert hub.json("executor", "jobs", "number-webhook", delivery["id"])["execution"] == ended


def test_a_preview_stores_nothing_and_starts_nothing(hub: Hub) -> None:
    found = hub.json("executor", "preview", "number-webhook", "-d", '{"n": 2}', "-H", "X-Mood: good")
    assert (found["outcome"], found["variables"]["value"]) == ("started", {"n": 2})
    assert found["args"]["headers"] == {"x-mood": "good"}
    assert hub.json("executor", "preview", "number-webhook", status=1)["outcome"] == "failed"
    assert (hub.json("event", "list"), hub.json("workflow", "executions")) == ([], [])


def test_a_stored_event_is_held_against_the_file_as_it_is_now(hub: Hub) -> None:
    event = hub.json("executor", "trigger", "number-webhook", "-d", '{"n": 0}')
    assert hub.json("executor", "preview", "number-webhook", "-e", event["id"])["outcome"] == "filtered"
    path = Path("executors/number-webhook.yaml")
    path.write_text(path.read_text().replace("args.body.n > 0", "args.body.n >= 0"))
    assert hub.json("executor", "preview", "number-webhook", "-e", event["id"])["outcome"] == "started"
    both = hub("executor", "preview", "number-webhook", "-e", event["id"], "-d", "{}")
    assert both.status == 2
    assert "leave -d and -H out" in both.err


def test_what_the_condition_refuses_is_filtered_with_the_reason(hub: Hub) -> None:
    event = hub.json("executor", "trigger", "number-webhook", "-d", '{"n": 0}', "-W")
    (delivery,) = event["deliveries"]
    assert (delivery["outcome"], delivery["execution_id"]) == ("filtered", None)
    assert "args.body.n > 0" in delivery["reason"]


def test_a_delivery_that_fails_is_exit_1_and_can_be_replayed_when_it_is_mended(hub: Hub) -> None:
    path = Path("executors/number-webhook.yaml")
    good = path.read_text()
    path.write_text(good.replace("({ n: args.body.n })", "({ n: args.body.nn.n })"))
    event = hub.json("executor", "trigger", "number-webhook", "-d", '{"n": 2}', status=1)
    assert event["deliveries"][0]["outcome"] == "failed"
    assert hub("event", "replay", event["id"]).status == 1
    path.write_text(good)
    (again,) = hub.json("event", "replay", event["id"])
    assert again["outcome"] == "started"
    keyed = [hub.json("event", "replay", event["id"], "-k", "once") for _ in range(2)]
    assert keyed[0] == keyed[1] != [again]


def test_a_paused_executor_starts_nothing_until_it_goes_on(hub: Hub) -> None:
    assert hub("executor", "pause", "number-webhook").status == 0
    assert hub.json("executor", "get", "number-webhook")["state"] == "paused"
    event = hub.json("executor", "trigger", "number-webhook", "-d", '{"n": 2}')
    assert [one["outcome"] for one in event["deliveries"]] == ["paused"]
    assert hub("executor", "resume", "number-webhook").status == 0
    event = hub.json("executor", "trigger", "number-webhook", "-d", '{"n": 2}')
    assert [one["outcome"] for one in event["deliveries"]] == ["started"]


def test_what_an_executor_met_is_found_by_its_old_name_when_it_is_renamed(hub: Hub) -> None:
    event = hub.json("executor", "trigger", "number-webhook", "-d", '{"n": 2}')
    path = Path("executors/number-webhook.yaml")
    path.with_stem("sums").write_text(path.read_text().replace("number-webhook", "sums"))
    path.unlink()
    (delivery,) = hub.json("executor", "jobs", "number-webhook")
    assert delivery["id"] == event["deliveries"][0]["id"]
    assert hub.json("executor", "jobs", "number-webhook", delivery["id"])["execution"]["workflow"] == "adding"
    assert hub.json("executor", "jobs", "sums") == []
    assert hub.json("event", "list", "--executor", "number-webhook") != []
    ran = hub("executor", "get", "number-webhook")
    assert (ran.status, ran.out) == (1, ""), "there is no such executor all the same"


@pytest.mark.parametrize(
    "args",
    [["get"], ["trigger"], ["jobs"], ["pause"], ["resume"]],
    ids=" ".join,
)
def test_an_unknown_executor_suggests_the_closest(hub: Hub, args: list[str]) -> None:
    ran = hub("executor", *args, "number-webhok")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == 'error: there is no executor "number-webhok". Did you mean "number-webhook"?\n'


def test_an_executor_that_cannot_be_read_is_not_left_out_in_silence(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PUSH_SECRET")
    Path("executors/nightly.yaml").write_text("name: nightly\n")
    ran = hub("executor", "list", "--json")
    assert "nightly" not in [row["name"] for row in ran.json]
    assert "see `hub check`" in ran.err
    checked = hub("check")
    assert checked.status == 1
    assert "executors/nightly.yaml:1:1" in checked.out
    assert "executors/github-push.yaml" in checked.out
    for name in ("nightly", "github-push"):
        got = hub("executor", "get", name)
        assert (got.status, got.out) == (1, "")
        assert (f'error: the file of executor "{name}" cannot be used now: `hub check` says') in got.err


def test_a_webhook_that_anybody_may_send_is_told_of_and_is_no_problem(hub: Hub) -> None:
    open_to_all = "name: open-door\ntrigger: {webhook: {verify: {type: none}}}\ntarget: {workflow: {workflow_name: adding, invoker: anonymous}}\n"
    Path("executors/open-door.yaml").write_text(open_to_all)
    ran = hub("check")
    assert (ran.status, ran.out) == (0, "")
    assert "executors/open-door.yaml:2:29: anybody who knows the address may send: nothing is verified.\n" in ran.err


def test_the_next_slots_of_a_schedule(hub: Hub) -> None:
    rows = hub.json("schedule", "next", "nightly", "-n", "3")
    assert len(rows) == 3
    assert all(" 02:30 " in row["local"] or row["note"] for row in rows)
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    assert hub.json("schedule", "next", "nightly", "-n", "2", "--after", rows[0]["at"]) == rows[1:]
    far = hub("schedule", "next", "nightly", "--after", "2500-01-01T00:00:00Z")
    assert (far.status, "hundred years" in far.err) == (1, True)
    assert hub("schedule", "next", "nightly", "--after", "soon").status == 2
    ran = hub("schedule", "next", "row-created")
    assert ran.status == 1
    assert "has no schedule" in ran.err


def test_past_slots_of_a_schedule_are_listed(hub: Hub) -> None:
    assert hub.json("schedule", "slots", "nightly") == []
    assert "has no schedule" in hub("schedule", "slots", "row-created").err
    with contextlib.closing(sqlite3.connect(hub.root / "var/hub.db")) as db:
        put = (
            "INSERT INTO slots (executor, at, event_id, outcome, reason, recorded_at) VALUES ('nightly', ?, ?, ?, ?, 0)"
        )
        db.executemany(put, [(1_000, None, "missed", "the hub was down"), (2_000, "E", None, "")])
        db.commit()
    rows = hub.json("schedule", "slots", "nightly")
    assert [(row["at"][17:19], row["outcome"]) for row in rows] == [("02", None), ("01", "missed")]
    lines = hub("schedule", "slots", "nightly").lines()
    assert [line[1] for line in lines] == ["outcome", "started", "missed"]
