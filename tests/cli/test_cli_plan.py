from __future__ import annotations

import sqlite3
from contextlib import closing

from cli_kit import Hub


def changes(hub: Hub, *args: str) -> list[tuple[str, str, str]]:
    return [(one["action"], one["kind"], one["name"]) for one in hub.json(*args)["changes"]]


def triggers(hub: Hub) -> int:
    with closing(sqlite3.connect(hub.root / "shop.db")) as shop:
        return len(shop.execute("SELECT 1 FROM sqlite_master WHERE type = 'trigger'").fetchall())


EVERYTHING = [
    ("add", "executor", "github-push"),
    ("add", "executor", "nightly"),
    ("add", "executor", "number-webhook"),
    ("add", "executor", "row-created"),
    ("add", "schedule", "nightly"),
    ("add", "trigger", "shop.orders"),
]


def test_a_plan_changes_nothing_and_apply_does_it(hub: Hub) -> None:
    assert changes(hub, "plan") == changes(hub, "plan") == EVERYTHING
    assert triggers(hub) == 0
    assert changes(hub, "apply") == EVERYTHING
    assert triggers(hub) == 1
    assert changes(hub, "plan") == changes(hub, "apply") == []
    ran = hub("plan")
    assert (ran.status, ran.out, ran.err) == (0, "", "everything is as the files say\n")
    (_, record) = hub.json("audit", "list")
    assert (record["action"], record["object"]) == ("executor:apply", "executors")
    assert "add executor nightly" in record["after"]


def test_only_what_differs_is_planned(hub: Hub) -> None:
    hub("apply")
    nightly = hub.root / "executors/nightly.yaml"
    nightly.write_text("# a remark changes nothing\n" + nightly.read_text())
    assert changes(hub, "plan") == []
    nightly.write_text(nightly.read_text().replace("30 2", "45 2"))
    assert changes(hub, "plan") == [("change", "executor", "nightly"), ("change", "schedule", "nightly")]
    (schedule,) = [one for one in hub.json("plan")["changes"] if one["kind"] == "schedule"]
    assert schedule["detail"].startswith("next at 20")
    (hub.root / "executors/row-created.yaml").unlink()
    assert changes(hub, "apply") == [
        ("change", "executor", "nightly"),
        ("remove", "executor", "row-created"),
        ("change", "schedule", "nightly"),
        ("remove", "trigger", "shop.orders"),
    ]
    assert triggers(hub) == 0


def test_a_file_that_cannot_be_read_is_not_a_removed_one(hub: Hub) -> None:
    hub("apply")
    (hub.root / "executors/number-webhook.yaml").write_text("name: number-webhook\ntrigger: {\n")
    assert changes(hub, "plan") == []


def test_a_database_that_cannot_be_opened_is_told(hub: Hub) -> None:
    (hub.root / "shop.db").write_bytes(b"this is no database, and long enough to be told from one" * 40)
    found = hub.json("plan", status=1)
    assert [one["kind"] for one in found["changes"]] == ["executor"] * 4 + ["schedule"]
    assert "shop" in found["troubles"][0]
