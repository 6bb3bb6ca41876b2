"""Real calls of http and graphql targets: an event goes in, and another server gets a request."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hub_process import Hub, Project, until
from server_projects import CONFIG, lay_out

SECRET = "a-canary-that-nobody-may-see-0123"


class Erp:
    """A server that writes down what it is sent, and answers as it is told."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        #: (status, headers, body) for each request in turn; then 200.
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        erp = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                erp.requests.append(
                    {
                        "path": self.path,
                        "headers": {name.lower(): value for name, value in self.headers.items()},
                        "body": body,
                    }
                )
                fine = (200, {"content-type": "application/json"}, b'{"data": {"ok": true}}')
                status, headers, answer = erp.answers.pop(0) if erp.answers else fine
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(answer))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_args: Any) -> None:
                """Nothing on standard error."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def erp() -> Iterator[Erp]:
    made = Erp()
    yield made
    made.close()


def set_up(project: Project, erp: Erp, allow: str) -> None:
    project.env |= {"ERP_KEY": SECRET, "ERP": erp.url}
    order = {
        "url": "${env:ERP}/orders/${{ args.body.id }}",
        "headers": {"Authorization": "Bearer ${secret:ERP_KEY}"},
        "body": {"order": "${{ args.body }}"},
        "timeout": "30s",
        "retry": {"max_retries": 2, "initial_backoff": "10ms", "max_backoff": "20ms"},
    }
    query = {
        "url": "${env:ERP}/graphql",
        "query": "mutation($id: ID!) { ship(id: $id) }",
        "variables": "({ id: args.body.id })",
    }
    lay_out(
        project,
        order={"trigger": {"webhook": {"verify": {"type": "none"}}}, "target": {"http": order}},
        ship={"trigger": {"webhook": {"verify": {"type": "none"}}}, "target": {"graphql": query}},
    )
    project.write("config/hub.yaml", CONFIG + f"outgoing: {{allow: [{allow}]}}\n")


@pytest.fixture
def hub(project: Project, erp: Erp) -> Iterator[Hub]:
    set_up(project, erp, "127.0.0.1")
    with project.serving() as running:
        yield running


def run(hub: Hub, executor: str, body: Any) -> dict[str, Any]:
    """Post it, and wait for what that starts."""
    event = hub.post(f"/webhooks/{executor}", json=body).json()["event_id"]
    found = "SELECT execution_id FROM deliveries WHERE event_id = ? AND execution_id IS NOT NULL"
    ((execution,),) = until(lambda: hub.project.store(found, event), why="nothing starts")
    hub.project.ended(execution)
    return hub.project.execution(execution)


def test_an_event_becomes_a_call_and_its_answer_the_result(hub: Hub, erp: Erp) -> None:
    ended = run(hub, "order", {"id": 17, "note": "${secret:ERP_KEY}"})
    assert (ended["status"], ended["workflow"], ended["invoker"]) == ("SUCCESS", "http.order", None)
    assert ended["result"]["status"] == 200
    assert ended["result"]["body"] == {"data": {"ok": True}}
    (request,) = erp.requests
    assert request["path"] == "/orders/17"
    assert request["headers"]["authorization"] == f"Bearer {SECRET}"
    assert request["headers"]["idempotency-key"] == f"{ended['id']}/http-call"
    assert json.loads(request["body"]) == {"order": {"id": 17, "note": "${secret:ERP_KEY}"}}, "a text stays a text"
    assert SECRET not in json.dumps(ended) + hub.log
    hub.stop()
    for file in (hub.project.folder / "var").iterdir():
        assert SECRET.encode() not in file.read_bytes(), file.name


def test_a_call_is_tried_again_under_the_same_key(hub: Hub, erp: Erp) -> None:
    erp.answers = [(503, {"retry-after": "0"}, b""), (500, {}, b"")]
    ended = run(hub, "order", {"id": 1})
    assert (ended["status"], ended["attempts"]) == ("SUCCESS", 3)
    assert len({request["headers"]["idempotency-key"] for request in erp.requests}) == 1


def test_an_answer_that_says_no_is_not_asked_for_again(hub: Hub, erp: Erp) -> None:
    erp.answers = [(422, {}, b"")]
    ended = run(hub, "order", {"id": 1})
    assert (ended["status"], len(erp.requests)) == ("FAILED", 1)
    assert ended["error"]["message"] == f"{erp.url} answered 422."


def test_graphql(hub: Hub, erp: Erp) -> None:
    ended = run(hub, "ship", {"id": "o-7"})
    assert ended["status"] == "SUCCESS"
    assert json.loads(erp.requests[0]["body"])["variables"] == {"id": "o-7"}
    erp.answers = [(200, {"content-type": "application/json"}, b'{"errors": [{"message": "no such order"}]}')]
    failed = run(hub, "ship", {"id": "o-8"})
    assert failed["status"] == "FAILED"
    assert "no such order" in failed["error"]["message"]


def test_nobody_near_is_called_unless_the_config_says_so(project: Project, erp: Erp) -> None:
    set_up(project, erp, "10.9.8.0/24")
    with project.serving() as hub:
        ended = run(hub, "order", {"id": 1})
    assert ended["status"] == "FAILED"
    assert "not a public one" in ended["error"]["message"]
    assert erp.requests == []


def test_check_finds_what_is_wrong_with_a_call(project: Project, erp: Erp) -> None:
    set_up(project, erp, "my-network")
    text = (project.folder / "executors" / "order.yaml").read_text()
    project.write("executors/order.yaml", text.replace('"10ms"', '"2h"'))
    ran = project.run("check")
    assert ran.code == 1
    assert '"my-network" is no address or network' in ran.out + ran.err
    assert "initial_backoff is 2h: it must be at most 1h" in ran.out + ran.err
