"""A real server is sent what no sender should send: each gets the right answer, starts nothing, and the hub keeps running."""

from __future__ import annotations

import hashlib
import hmac
import json
import select
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hub_process import Hub, Project, Zygote, until
from server_projects import lay_out, noted, start

SECRET = "it-is-only-known-to-github-and-to-us"
BODY = b'{"ref": "refs/heads/main"}'


@pytest.fixture(scope="module")
def hub(shared_quick_path: Path, zygote: Zygote) -> Iterator[Hub]:
    project = Project(shared_quick_path, zygote, {"GITHUB": SECRET})
    lay_out(
        project,
        open={"trigger": {"webhook": {}}},
        push={"trigger": {"webhook": {"verify": {"preset": "github", "secret": "${secret:GITHUB}"}}}},
        throws={"trigger": {"webhook": {}}, "target": start("echoing", "({ n: args.body.missing.deeper })")},
        spins={"trigger": {"webhook": {}, "condition": "(() => { for (;;); })()"}},
        off={"trigger": {"webhook": {}}, "disabled": True},
        visitor={"trigger": {"webhook": {}}, "target": start("echoing", "args.body", user="visitor")},
    )
    with project.serving() as running:
        yield running
        assert running.process.poll() is None, "it has survived everything"
        assert httpx.get(f"{running.url}/readyz", timeout=60).status_code == 200
        assert "Traceback" not in running.log
        assert running.stop() == 0


@pytest.fixture
def nothing_starts(hub: Hub) -> Iterator[None]:
    """Whatever the test sends leaves no event behind."""
    before = hub.project.store("SELECT count(*) FROM events")
    yield
    assert hub.project.store("SELECT count(*) FROM events") == before


def signature(body: bytes = BODY, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def check_problem(answer: httpx.Response, status: int) -> None:
    """A problem document that tells a stranger nothing."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    for word in ("Traceback", "sqlite", "/tmp", "site-packages", SECRET):
        assert word not in answer.text
    assert "server" not in answer.headers


GOOD = signature()
WRONG_SIGNATURES: dict[str, list[tuple[bytes, bytes]]] = {
    "missing": [],
    "empty": [(b"x-hub-signature-256", b"")],
    "of another secret": [(b"x-hub-signature-256", signature(secret="guess").encode())],
    "of another body": [(b"x-hub-signature-256", signature(b"{}").encode())],
    "truncated": [(b"x-hub-signature-256", GOOD[:-1].encode())],
    "of a weaker algorithm": [
        (b"x-hub-signature-256", b"sha1=" + hmac.new(SECRET.encode(), BODY, "sha1").hexdigest().encode())
    ],
    "not ASCII": [(b"x-hub-signature-256", b"sha256=\xff\xfe" + GOOD[9:].encode())],
    "given twice": [(b"x-hub-signature-256", GOOD.encode()), (b"x-hub-signature-256", signature(secret="x").encode())],
    "in another header": [(b"x-signature", GOOD.encode())],
}


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize("case", WRONG_SIGNATURES)
def test_a_signature_that_does_not_hold(hub: Hub, case: str) -> None:
    headers = [(b"content-type", b"application/json"), (b"x-github-event", b"push"), *WRONG_SIGNATURES[case]]
    check_problem(hub.post("/webhooks/push", content=BODY, headers=headers), 401)


def test_the_right_signature_is_the_difference(hub: Hub) -> None:
    headers = {"content-type": "application/json", "x-github-event": "push", "x-hub-signature-256": GOOD}
    assert hub.post("/webhooks/push", content=BODY, headers=headers).status_code == 202


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b'{"a": NaN}',
        b'\xff\xfe{"a": 1}',
        b"[" * 100_000,
        b'{"a": "\\ud800"}',
        b'{"a": 1, "a": 2}',
        b"1" * 5_000,
    ],
    ids=lambda body: repr(body[:16]),
)
def test_a_body_that_is_not_the_json_it_says(hub: Hub, body: bytes) -> None:
    answer = hub.post(path_of(hub, "open"), content=body, headers={"content-type": "application/json"})
    check_problem(answer, 400)


@pytest.mark.usefixtures("nothing_starts")
def test_doors_that_are_none(hub: Hub) -> None:
    path = path_of(hub, "open")
    name, _, token = path.rpartition("/")
    for wrong in (
        "/webhooks/nobody/x",
        f"{name}/{token[:-1]}",
        f"{name}/{token[:-1]}é",
        f"{name}/%00",
        f"{path}/more",
        "/webhooks/",
        "/webhooks/../healthz/x",
        f"/webhooks/throws/{token}",
        "/webhooks/off",
    ):
        check_problem(hub.post(wrong, json={}), 404)
    answer = httpx.get(hub.url + path, timeout=60)
    check_problem(answer, 405)
    assert answer.headers["allow"] == "POST"
    check_problem(hub.post(path, content=b"x", headers={"content-type": "image/png"}), 415)
    check_problem(hub.post(path, content=b"x", headers={"content-encoding": "gzip"}), 415)


@pytest.mark.usefixtures("nothing_starts")
def test_a_large_body_is_refused_before_it_is_read(hub: Hub) -> None:
    path = path_of(hub, "open")
    head = f"POST {path} HTTP/1.1\r\nhost: hub\r\ncontent-type: application/json\r\ncontent-length: 10485760\r\n\r\n"
    assert talk(hub, head.encode()).startswith(b"HTTP/1.1 413 "), "not one byte of it was sent"
    # One that does not say how long it is, is refused when it has grown too long.
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    head = f"POST {path} HTTP/1.1\r\nhost: hub\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
    assert talk(hub, head.encode() + chunk * 3).startswith(b"HTTP/1.1 413 ")


@pytest.mark.usefixtures("nothing_starts")
def test_a_body_that_comes_too_slowly_is_given_up_and_holds_nobody_else_up(hub: Hub) -> None:
    path = path_of(hub, "open")
    head = f"POST {path} HTTP/1.1\r\nhost: hub\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{"

    def others_are_answered_first() -> bool:
        """On a busy machine its time may be up before they have asked."""
        begun = time.monotonic()
        with closing(connected(hub)) as slow:
            slow.sendall(head.encode())
            assert httpx.get(f"{hub.url}/healthz", timeout=60).status_code == 200
            assert hub.post("/webhooks/push", content=BODY).status_code == 401
            given_up = bool(select.select([slow], [], [], 0)[0])
            assert slow.recv(1000).startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - begun > 3
        return not given_up

    assert until(others_are_answered_first)


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"POST /webhooks/push HTTP/1.1\r\ncontent-length: 0\r\n\r\n", 400),
        (b"POST /webhooks/push HTTP/1.1\r\nhost: a\r\nhost: b\r\ncontent-length: 0\r\n\r\n", 400),
        (b"POST /webhooks/push HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n", 400),
        (
            b"POST /webhooks/push HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST /webhooks/push?" + b"x" * 9_000 + b" HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n", 414),
        (b"POST /webhooks/push HTTP/1.1\r\nhost: a\r\n" + b"x-a: b\r\n" * 150 + b"content-length: 0\r\n\r\n", 431),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else str(value),
)
def test_requests_that_parsers_differ_on(hub: Hub, request_: bytes, status: int) -> None:
    assert talk(hub, request_).startswith(b"HTTP/1.1 %d " % status)


def test_an_expression_that_throws_fails_its_delivery_with_its_message(hub: Hub) -> None:
    outcome, reason = deliver(hub, "throws", {"n": 1})
    assert outcome == "failed"
    assert reason.startswith("variables, line 1, column ")
    assert "deeper" in reason


def test_an_expression_that_never_ends_fails_its_delivery_and_no_other(hub: Hub) -> None:
    answer = hub.post(path_of(hub, "spins"), json={})
    assert answer.status_code == 202
    assert deliver(hub, "open", {"n": 2})[0] == "started"
    ((outcome, reason, _),) = until(lambda: hub.project.outcomes("spins"))
    assert outcome == "failed"
    assert "longer than" in reason


def test_a_machine_user_that_may_not_is_rejected(hub: Hub) -> None:
    outcome, reason = deliver(hub, "visitor", {})
    assert outcome == "rejected"
    assert "main-auth/visitor" in reason
    assert "workflow:start:echoing" in reason


def test_what_is_sent_is_never_evaluated(hub: Hub) -> None:
    texts = ["${{ 1 + 1 }}", "${secret:GITHUB}", "<script>", "'; DROP TABLE events; --", "\x1b[2J", "../../etc"]
    delivery = deliver_id(hub, "open", {"texts": texts})
    execution = until(lambda: hub.project.store("SELECT execution_id FROM deliveries WHERE id = ?", delivery))[0][0]
    assert hub.project.ended(execution) == "SUCCESS"
    assert hub.project.execution(execution)["result"] == {"texts": texts}
    assert any(words[0].startswith(execution) for words in noted(hub.project))


# --- plumbing

_paths: dict[tuple[str, str], str] = {}


def path_of(hub: Hub, executor: str) -> str:
    known = _paths.get((hub.url, executor))
    if known is None:
        known = _paths[hub.url, executor] = hub.project.webhook_path(executor)
    return known


def deliver_id(hub: Hub, executor: str, body: Any) -> str:
    answer = hub.post(path_of(hub, executor), json=body)
    assert answer.status_code == 202
    return str(answer.json()["deliveries"][0]["id"])


def deliver(hub: Hub, executor: str, body: Any) -> tuple[str, str]:
    """Outcome and reason."""
    delivery = deliver_id(hub, executor, body)
    ((outcome, reason),) = until(
        lambda: hub.project.store("SELECT outcome, reason FROM deliveries WHERE id = ?", delivery)
    )
    return outcome, reason


def connected(hub: Hub) -> socket.socket:
    found = urlsplit(hub.url)
    assert found.hostname is not None
    assert found.port is not None
    return socket.create_connection((found.hostname, found.port), timeout=60)


def talk(hub: Hub, raw: bytes) -> bytes:
    """Send bytes as they are; what comes back first."""
    with closing(connected(hub)) as connection:
        with suppress(OSError):  # it may answer and hang up in the middle
            connection.sendall(raw)
        return connection.recv(10_000)


def test_the_plumbing_sends_what_it_is_given(hub: Hub) -> None:
    assert talk(hub, b"GET /healthz HTTP/1.1\r\nhost: hub\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert json.loads(httpx.get(f"{hub.url}/readyz", timeout=60).text) == {"status": "ready", "reasons": []}
