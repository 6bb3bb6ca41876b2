"""`hub serve` as a process, and the command line beside it."""

from __future__ import annotations

import http.client
import json
import re
import shlex
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from cli_kit import Hub, Serving, serving, shell

T = TypeVar("T")


@pytest.fixture
def server(hub: Hub) -> Iterator[Serving]:
    with serving(hub.root) as server:
        yield server


def _soon(ask: Callable[[], T]) -> T:
    """The first answer that is not empty."""
    for _ in range(3_000):
        if found := ask():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come")


def _send(url: str, headers: dict[str, str], body: bytes, method: str = "POST") -> tuple[int, Any]:
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)) as connection:
        connection.request(method, parts.path, body, headers)
        response = connection.getresponse()
        text = response.read()
        is_json = (response.getheader("content-type") or "").startswith("application/json")
        return response.status, json.loads(text) if is_json else text


def test_from_a_signed_request_and_a_row_to_their_executions(hub: Hub, server: Serving) -> None:
    (hub.root / "body.json").write_text("{}")
    line = hub("webhook", "sign", "github-push", "-d", "body.json").out
    words = shlex.split(line)
    headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
    status, answer = _send(words[words.index("POST") + 1], headers, b"{}")
    assert status == 202, answer
    assert _send(words[words.index("POST") + 1], headers, b"{} ")[0] == 401

    _soon(lambda: hub.json("db", "status", "shop")["tables"][0]["installed"])
    with closing(sqlite3.connect(hub.root / "shop.db")) as shop, shop:
        shop.execute("INSERT INTO orders (total) VALUES (7)")
    done = _soon(lambda: found if len(found := hub.json("workflow", "executions", "-s", "SUCCESS")) == 2 else [])
    assert {one["cause"]["executor"] for one in done} == {"github-push", "row-created"}
    assert [one["id"] for one in hub.json("event", "list", "--executor", "github-push")] == [answer["event_id"]]

    # Whatever port config/hub.yaml names: addresses are those that are listened on, while they are.
    assert all(row["url"].startswith(f"{server.address}/webhooks/") for row in hub.json("executor", "webhook", "list"))
    assert hub("person", "add", "grace").out.startswith(server.address)

    # A command that waits lets the server do the work.
    ran = hub("workflow", "start", "adding", "-m", "bot", "-a", '{"n": 4}', "-W", "--json")
    assert ran.json["result"] == {"sum": 12}
    assert any("doubling 4" in line for line in server.lines)

    removed = hub("db", "uninstall", "shop")
    assert removed.status == 0
    assert "makes the triggers again" in removed.err

    assert server.stop() == 0
    assert any("stopped; 0 executions go on" in line for line in server.lines)
    assert all(":8700/webhooks/" in row["url"] for row in hub.json("executor", "webhook", "list"))
    assert all(json.loads(line)["level"] for line in server.lines)


def test_the_address_of_the_first_admin_is_printed_and_in_no_log(hub: Hub, tmp_path: Path) -> None:
    def printed(server: Serving) -> str:
        found = re.search(r"becomes the first admin, once: (\S+)", (tmp_path / "out").read_text())
        return "" if found is None else found[1]

    with (tmp_path / "out").open("w") as out, serving(hub.root, out) as server:
        address = _soon(lambda: printed(server))
        assert address.startswith(f"{server.address}/console/claim/")
        assert _soon(lambda: [line for line in server.lines if "makes the first admin" in line])
        assert server.stop() == 0
        assert all("/claim/" not in line for line in server.lines)


def test_one_store_has_one_server_and_one_address_too(hub: Hub, server: Serving, tmp_path: Path) -> None:
    second = shell("serve", "--port", "0", cwd=hub.root)
    assert second.status == 1
    assert "another hub serves this store already" in second.err
    assert "Traceback" not in second.err
    shell("init", "other", cwd=tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        third = shell("serve", "--port", str(taken.getsockname()[1]), cwd=tmp_path / "other")
    assert third.status == 1
    assert "error: " in third.err
    assert "Traceback" not in third.err
    assert _send(f"{server.address}/healthz", {}, b"", "GET")[0] == 200


def test_killed_in_the_middle_it_goes_on_at_the_next_start(hub: Hub) -> None:
    with serving(hub.root) as first:
        started = hub.json("workflow", "start", "sleeping", "-m", "bot")
        _soon(lambda: hub.json("workflow", "executions", started["id"])["status"] == "RUNNING")
        first.process.kill()
        first.process.wait()
    with serving(hub.root) as second:
        assert _soon(lambda: [line for line in second.lines if "1 execution of an earlier process" in line])
        assert hub.json("workflow", "executions", started["id"])["status"] == "RUNNING"
        assert hub("workflow", "cancel", started["id"]).status == 0
        assert second.stop() == 0
