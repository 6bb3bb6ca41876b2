"""The same commands, asked of a hub elsewhere: a real server, spoken to with nothing but its address and a token."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from cli_kit import Hub, Ran, Serving, make_project, serving
from click.testing import CliRunner

from hub.cli import cli

Remote = Callable[..., Ran]


@pytest.fixture
def server(hub: Hub) -> Iterator[Serving]:
    config = hub.root / "config/hub.yaml"
    config.write_text(config.read_text().replace("      bot:", "      ops: {permissions: [admin]}\n      bot:"))
    with serving(hub.root) as made:
        yield made


@pytest.fixture
def remote(hub: Hub, server: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remote:
    """`hub` from a folder that is no project."""
    token = hub("machine-user", "token", "ops").out.strip()
    monkeypatch.chdir(tmp_path)

    def call(*args: str) -> Ran:
        where = ["--server", server.address, "--token", token]
        result = CliRunner().invoke(cli, [*where, *args], catch_exceptions=False)
        return Ran(result.exit_code, result.stdout, result.stderr)

    return call


READS = (
    "executor list",
    "executor get number-webhook",
    "executor jobs number-webhook",
    "executor webhook list",
    "workflow list",
    "workflow get adding",
    "workflow executions",
    "workflow executions -n adding -s SUCCESS --limit 1",
    "wait-point list --all",
    "event list --since 1h --outcome filtered",
    "schedule next nightly -n 3",
    "schedule slots nightly",
    "webhook rejected",
    "workflow changed",
    "node list",
    "machine-user list",
    "machine-user can main-auth/bot workflow:start:adding",
    "machine-user can bot secret:read",
    "person list",
)


def test_every_read_is_the_same_from_afar(hub: Hub, remote: Remote) -> None:
    ran = remote("executor", "trigger", "number-webhook", "-d", '{"n": 20}', "-W", "-l", "--json")
    assert ran.status == 0, ran
    assert ran.json["result"] == {"sum": 60}
    assert [line["message"] for line in ran.json["logs"]] == ["doubling 20"]
    assert "add/double: doubling 20" in ran.err
    ran = remote("executor", "trigger", "number-webhook", "-d", '{"n": -1}')
    assert ran.lines()[1][1] == "filtered"
    (event,) = remote("event", "list", "--outcome", "filtered", "--json").json
    for words in (*READS, f"event show {event['id']}", f"executor jobs number-webhook {event['deliveries'][0]['id']}"):
        for asked in (words.split(), [*words.split(), "--json"]):
            # A node puts off the end of its lease now and then, and may do so between the two.
            assert any(_told(remote(*asked)) == _told(hub(*asked)) for _ in range(20)), words


def _told(ran: Ran) -> tuple[int, str]:
    return ran.status, ran.out


def test_executions_are_started_followed_resumed_and_cancelled_from_afar(hub: Hub, remote: Remote) -> None:
    ran = remote("workflow", "start", "failing", "-m", "bot", "-a", '{"n": 1}', "-W", "--json")
    assert (ran.status, ran.json["error"]["message"]) == (1, "there is no file mended.txt")
    failed = ran.json["id"]
    (hub.root / "mended.txt").touch()
    ran = remote("workflow", "resume", failed, "-W", "-l")
    assert ran.status == 0, ran
    assert "SUCCESS" in ran.out
    sleeping = remote("workflow", "start", "sleeping", "-m", "anonymous", "--json").json["id"]
    ran = remote("workflow", "wait", sleeping, "-t", "300ms")
    assert (ran.status, ran.err) == (3, f"execution {sleeping} has not ended yet; it goes on.\n")
    assert remote("workflow", "cancel", sleeping, "--json").json == {"id": sleeping, "status": "CANCELED"}
    assert remote("executor", "pause", "number-webhook").status == 0
    assert remote("executor", "get", "number-webhook", "--json").json["state"] == "paused"
    assert remote("executor", "resume", "number-webhook").status == 0
    records = remote("audit", "list", "--who", "machine-user:main-auth/ops", "--json").json
    assert {one["action"] for one in records} >= {"workflow:start", "execution:resume", "execution:cancel"}


def test_a_refused_delivery_is_let_in_from_afar(hub: Hub, remote: Remote, server: Serving) -> None:
    headers = {"x-github-event": "push", "x-github-delivery": "d-1", "x-hub-signature-256": "sha256=" + 64 * "0"}
    answer = httpx.post(f"{server.address}/webhooks/github-push", json={"ref": "main"}, headers=headers, timeout=60)
    assert answer.status_code == 401
    (one,) = remote("webhook", "rejected", "--json").json
    ran = remote("webhook", "verify", str(one["id"]), "--json")
    assert (ran.status, ran.json["steps"][-1]["step"]) == (1, "signature")
    ran = remote("webhook", "release", "--all", "github-push", "--json")
    assert (ran.status, [row["released"] for row in ran.json]) == (1, [False])
    assert ran.json[0]["reason"] == one["reason"]

    # The file is mended: signatures are not asked for any more.
    file = hub.root / "executors/github-push.yaml"
    file.write_text(
        file.read_text()
        .replace('{preset: github, secret: "${secret:PUSH_SECRET}"}', "{type: none}")
        .replace("events: [push]", "")
    )
    deadline = time.monotonic() + 60
    while remote("webhook", "verify", str(one["id"])).status == 1 and time.monotonic() < deadline:
        pass
    ran = remote("webhook", "release", str(one["id"]), "--json")
    assert (ran.status, ran.json[0]["released"]) == (0, True), ran
    event = remote("event", "show", ran.json[0]["event_id"], "--json").json
    assert [(row["executor"], row["outcome"]) for row in event["deliveries"]] == [("github-push", "started")]
    assert remote("webhook", "rejected", "--json").json == []
    assert remote("webhook", "verify", "77").err.startswith('error: there is no refused delivery "77"')


def test_secrets_tokens_and_people_are_looked_after_from_afar(remote: Remote, server: Serving) -> None:
    made = remote("machine-user", "secret", "main-auth/bot", "--json").json
    grant = {"grant_type": "client_credentials", "client_id": made["client_id"], "client_secret": made["client_secret"]}
    assert httpx.post(f"{server.address}/oauth2/token", data=grant, timeout=60).status_code == 200
    assert remote("machine-user", "secret", "bot", "--revoke", made["id"], "--json").json == {"revoked": [made["id"]]}
    assert httpx.post(f"{server.address}/oauth2/token", data=grant, timeout=60).status_code == 401
    narrow = remote("machine-user", "token", "bot", "--scope", "workflow:start:*").out.strip()
    asked = httpx.get(f"{server.address}/api/v1/executors", headers={"authorization": f"Bearer {narrow}"}, timeout=60)
    assert asked.status_code == 403
    assert remote("machine-user", "secret", "bot", "--revoke", "all").status == 0
    asked = httpx.get(f"{server.address}/api/v1/executors", headers={"authorization": f"Bearer {narrow}"}, timeout=60)
    assert asked.status_code == 401

    address = remote("person", "add", "grace", "--role", "operator").out.strip()
    assert httpx.get(f"{server.address}/console/claim/{address.rpartition('/')[2]}", timeout=60).status_code == 200
    assert remote("person", "role", "grace", "viewer").err == "grace is viewer\n"
    assert [(one["name"], one["role"]) for one in remote("person", "list", "--json").json] == [("grace", "viewer")]
    assert remote("person", "remove", "grace").status == 0
    assert remote("person", "list", "--json").json == []


def test_what_goes_wrong_is_said_in_a_sentence(remote: Remote, server: Serving) -> None:
    assert remote("executor", "get", "number-webhok").err == (
        'error: there is no executor "number-webhok". Did you mean "number-webhook"?\n'
    )
    ran = remote("workflow", "start", "adding", "-m", "bot", "-a", '{"n": "x"}')
    assert (ran.status, ran.out) == (1, "")
    assert "$.n" in ran.err
    for words in ("db status shop", "verify", "audit verify", "plan", "machine-user keys", "check", "serve"):
        ran = remote(*words.split())
        assert ran.status == 2, words
        assert "leave --server and $HUB_SERVER out" in ran.err

    def elsewhere(address: str, token: str = "none") -> Ran:
        result = CliRunner().invoke(cli, ["event", "list", "--server", address, "--token", token])
        return Ran(result.exit_code, result.stdout, result.stderr)

    assert elsewhere(server.address).err == "error: the credential is not valid.\n"
    assert "http://HOST:PORT" in elsewhere("localhost").err
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        ran = elsewhere(f"http://127.0.0.1:{nobody.getsockname()[1]}")
    assert (ran.status, ran.out) == (1, "")
    assert "cannot be reached" in ran.err
    assert "Traceback" not in ran.err
    assert "is --server right?" in elsewhere(f"{server.address}/elsewhere").err


def test_server_and_token_come_from_the_environment_too_and_the_token_from_a_file(
    hub: Hub, server: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = hub("machine-user", "token", "ops").out.strip()
    (tmp_path / "token").write_text(token + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUB_SERVER", server.address)
    monkeypatch.setenv("HUB_TOKEN", f"@{tmp_path}/token")
    result = CliRunner().invoke(cli, ["executor", "list", "--json"])
    assert len(json.loads(result.stdout)) == 4
    monkeypatch.setenv("HUB_TOKEN", "@nowhere")
    assert CliRunner().invoke(cli, ["executor", "list"]).exit_code == 2


def test_the_project_option_is_still_taken_before_and_behind(tmp_path: Path) -> None:
    root = make_project(tmp_path / "one")
    for args in (["--project", str(root), "executor", "list"], ["executor", "list", "--project", str(root)]):
        assert CliRunner().invoke(cli, args).exit_code == 0
