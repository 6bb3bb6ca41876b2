"""A real server: deliveries that were refused are kept, explained, checked again, and let in when the secret is mended."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hub_process import Hub, Project, Zygote, until
from server_projects import lay_out, noted, put_executor

RIGHT, WRONG = "github-knows-this-one-0123456789", "somebody-wrote-this-one-987654321"
VERIFY = {"preset": "github", "secret": "${secret:GITHUB}"}
SHAPE = {"type": "object", "required": ["n"], "properties": {"text": {"pattern": "^(a+)+$"}}}


@pytest.fixture
def project(quick_path: Path, zygote: Zygote) -> Project:
    made = Project(quick_path, zygote, {"GITHUB": WRONG})
    lay_out(
        made,
        push={"trigger": {"webhook": {"verify": VERIFY}}},
        shaped={"trigger": {"webhook": {"verify": VERIFY, "schema": SHAPE}}},
    )
    return made


@pytest.fixture
def hub(project: Project) -> Iterator[Hub]:
    with project.serving() as running:
        yield running


def push(hub: Hub, n: int, secret: str = RIGHT, path: str = "/webhooks/push", text: str = "", **extra: str) -> int:
    body = json.dumps(({"n": n} if n else {}) | ({"text": text} if text else {})).encode()
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/json",
        "x-hub-signature-256": f"sha256={digest}",
        "x-github-delivery": f"delivery-{n}",
        "x-github-event": "push",
        **extra,
    }
    return hub.post(path, content=body, headers=headers).status_code


def kept(hub: Hub, count: int, executor: str = "push") -> list[dict[str, object]]:
    until(lambda: hub.project.store("SELECT count(*) FROM refused") == [(count,)], why="refusals are not stored")
    listed: list[dict[str, object]] = hub.project.run("webhook", "rejected", executor, "--json").json
    return listed


def test_a_mended_secret_lets_them_in_in_order(hub: Hub) -> None:
    project = hub.project
    assert [push(hub, n) for n in (1, 2, 3)] == [401] * 3
    listed = kept(hub, 3)
    assert [json.loads(str(one["body"]))["n"] for one in listed] == [3, 2, 1], "newest first"
    assert {one["step"] for one in listed} == {"signature"}
    assert "secret is another one" in str(listed[0]["reason"])
    first = str(listed[-1]["id"])
    asked = project.run("webhook", "verify", first, "--json")
    assert (asked.code, asked.json["ok"]) == (1, False)
    assert [(step["step"], step["ok"]) for step in asked.json["steps"]] == [("head", True), ("signature", False)]
    assert project.run("webhook", "release", first).code == 1
    assert project.store("SELECT count(*) FROM events") == [(0,)]

    project.env["GITHUB"] = RIGHT
    asked = project.run("webhook", "verify", first, "--json")
    assert asked.code == 0, asked
    assert [(step["step"], step["ok"]) for step in asked.json["steps"]] == [
        ("head", True),
        ("proof", True),
        ("body", True),
    ]
    released = project.run("webhook", "release", "--all", "push", "--json")
    assert released.code == 0, released
    assert [row["released"] for row in released.json] == [True] * 3
    bodies = project.store("SELECT body FROM events ORDER BY id")
    assert [json.loads(body)["n"] for (body,) in bodies] == [1, 2, 3]
    until(lambda: len(noted(project)) == 3, why="they run")
    assert project.run("webhook", "rejected", "--json").json == []


def test_one_that_came_again_meanwhile_is_not_run_twice(hub: Hub) -> None:
    project = hub.project
    assert push(hub, 1) == 401
    (one,) = kept(hub, 1)
    hub.stop()
    project.env["GITHUB"] = RIGHT
    with project.serving() as mended:
        assert push(mended, 1) == 202
        (row,) = project.run("webhook", "release", str(one["id"]), "--json").json
        assert (row["released"], row["duplicate"]) == (True, True)
        until(lambda: len(noted(project)) == 1)
        assert project.store("SELECT count(*) FROM events") == [(1,)]


def test_a_body_of_another_shape_is_kept_until_the_schema_is_mended(hub: Hub) -> None:
    project = hub.project
    assert push(hub, 0, WRONG, "/webhooks/shaped") == 422
    (one,) = kept(hub, 1, "shaped")
    assert (one["step"], one["whole"]) == ("schema", True)
    put_executor(project, "shaped", {"trigger": {"webhook": {"verify": VERIFY, "schema": {"type": "object"}}}})
    assert project.run("webhook", "release", str(one["id"])).code == 0
    assert project.store("SELECT count(*) FROM events") == [(1,)]


def test_a_body_that_would_take_for_ever_is_given_up_in_a_process_of_its_own(hub: Hub) -> None:
    assert push(hub, 1, WRONG, "/webhooks/shaped", text="a" * 40 + "b") == 422
    assert "webhook shaped: holding a body against the schema was given up after 2 s" in hub.log
    assert push(hub, 2, WRONG, "/webhooks/shaped", text="a" * 40) == 202
    (one,) = kept(hub, 1, "shaped")
    looked_at = hub.project.run("webhook", "verify", str(one["id"]))
    assert looked_at.code == 1
    assert "it takes too long to hold it against the schema" in looked_at.out


def test_a_body_that_is_not_kept_whole_says_what_helps(hub: Hub) -> None:
    assert push(hub, 1, text="a" * 70_000) == 401
    (one,) = kept(hub, 1)
    run = hub.project.run
    assert "(not kept whole: have it sent again)" in run("webhook", "rejected").out
    looked_at = run("webhook", "verify", str(one["id"]))
    assert looked_at.code == 1
    assert f"only 65,536 of its {one['size']:,} bytes are kept" in looked_at.out
    assert "have its sender send it again" in looked_at.out
    assert "have its sender send it again" in run("webhook", "release", str(one["id"])).out


def test_nothing_that_proves_anything_can_be_read(hub: Hub) -> None:
    """Signature, bearer, cookie and address: not in the list, and nowhere in the database's files."""
    canary = "c4n4ry-of-a-signature"
    assert (
        push(hub, 5, path=f"/webhooks/push?token={canary}1", authorization=f"Bearer {canary}2", cookie=f"{canary}3")
        == 401
    )
    (one,) = kept(hub, 1)
    assert one["headers"]["x-hub-signature-256"] == "[redacted]"  # type: ignore[index]  # a mapping in the JSON
    body = b'{"n": 5}'
    digest = hmac.new(RIGHT.encode(), body, hashlib.sha256).hexdigest()
    hub.stop()
    with closing(sqlite3.connect(hub.project.folder / "var" / "hub.db")) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    everything = b"".join(path.read_bytes() for path in (hub.project.folder / "var").glob("hub.db*")) + hub.log.encode()
    for secret in (canary, digest, RIGHT, WRONG):
        for form in (secret.encode(), base64.b64encode(secret.encode()).rstrip(b"=")):
            assert form not in everything
    key = hub.project.folder / "var" / "refused.key"
    assert key.stat().st_mode & 0o777 == 0o600


def test_numbers_that_nobody_has_are_told(hub: Hub) -> None:
    for command in (("verify", "77"), ("release", "77"), ("release", "push"), ("rejected", "pusch")):
        ran = hub.project.run("webhook", *command)
        assert ran.code == 1
        assert ran.err.startswith("error: ")
        assert "Traceback" not in ran.err
