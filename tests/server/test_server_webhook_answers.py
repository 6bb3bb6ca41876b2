"""A real server: what senders of webhooks are answered when a file has wishes of its own."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_process import Hub, Project, Zygote, until
from server_projects import lay_out, start

SECRET = "a-secret-of-enough-bytes-000000"
OPEN = {"preset": "none"}

WORKFLOWS = """
@job
async def double(input, ctx: Context):
    return {"doubled": input["n"] * 2, "<b>": "</script>"}

doubling = workflow("doubling", double)

@job
async def fail(input, ctx: Context):
    raise NonRetryable("no")

failing = workflow("failing", fail)

@job
async def doze(input, ctx: Context):
    await asyncio.sleep(600)

dozing = workflow("dozing", doze)
"""


def webhook(**keys: object) -> dict[str, object]:
    return {"webhook": {"verify": OPEN, **keys}}


N = "({ n: args.body.n })"
EXECUTORS = {
    "greeting": {
        "trigger": webhook(
            response={
                "status": 200,
                "headers": {"X-Mine": "yes"},
                "body": {"hello": "${{ args.body.name }}", "event": "${{ context.event.id }}"},
            }
        )
    },
    "texting": {"trigger": webhook(response={"body": "hello ${{ args.body.name }}"})},
    "broken": {"trigger": webhook(response={"status": 200, "body": "${{ args.body.name.length }}"})},
    "calculating": {"trigger": webhook(response={"respond": "result"}), "target": start("doubling", N)},
    "wrapping": {
        "trigger": webhook(
            response={"respond": "result", "body": {"answer": "${{ context.execution.result.doubled }}"}}
        ),
        "target": start("doubling", N),
    },
    "failed": {"trigger": webhook(response={"respond": "result", "status": 201}), "target": start("failing", N)},
    "late": {
        # Sentry waits for one second.
        "trigger": {
            "webhook": {
                "verify": {"preset": "sentry", "secret": SECRET},
                "response": {"respond": "result"},
            }
        },
        "target": start("dozing", N),
    },
    "filtered": {"trigger": {**webhook(response={"respond": "result"}), "condition": "args.body.n > 9"}},
    "shaped": {
        "trigger": webhook(
            schema={
                "type": "object",
                "properties": {"items": {"type": "array", "items": {"type": "object", "required": ["sku"]}}},
                "required": ["items"],
            }
        )
    },
}


@pytest.fixture(scope="module")
def hub(shared_quick_path: Path, zygote: Zygote) -> Iterator[Hub]:
    project = Project(shared_quick_path, zygote)
    lay_out(project, WORKFLOWS, **EXECUTORS)
    with project.serving() as running:
        yield running


def test_a_body_is_made_of_the_event(hub: Hub) -> None:
    answer = hub.post("/webhooks/greeting", json={"name": "<script>alert(1)</script>"})
    assert answer.status_code == 200
    assert answer.json()["hello"] == "<script>alert(1)</script>"
    assert b"<" not in answer.content, "nothing that a browser could take for a tag"
    assert len(answer.json()["event"]) == 26
    assert (answer.headers["content-type"], answer.headers["x-mine"]) == ("application/json", "yes")


def test_a_text_stays_a_text_whatever_is_put_into_it(hub: Hub) -> None:
    answer = hub.post("/webhooks/texting", json={"name": '{"a": 1}<html>'})
    assert (answer.status_code, answer.text) == (202, 'hello {"a": 1}<html>')
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


def test_an_expression_that_fails_leaves_the_plain_answer(hub: Hub) -> None:
    """The delivery is stored: an error would make its sender send it again."""
    answer = hub.post("/webhooks/broken", json={})
    assert (answer.status_code, sorted(answer.json())) == (200, ["deliveries", "event_id"])
    assert any("response.body" in message for message in hub.messages())


def test_the_result_is_the_answer(hub: Hub) -> None:
    answer = hub.post("/webhooks/calculating", json={"n": 21}, headers={"X-Event-Id": "one"})
    assert (answer.status_code, answer.json()) == (200, {"doubled": 42, "<b>": "</script>"})
    assert b"<" not in answer.content
    again = hub.post("/webhooks/calculating", json={"n": 21}, headers={"X-Event-Id": "one"})
    assert (again.status_code, again.content) == (200, answer.content)
    assert hub.post("/webhooks/wrapping", json={"n": 4}).json() == {"answer": 8}


@pytest.mark.parametrize(("name", "body"), [("failed", {"n": 1}), ("filtered", {"n": 1})])
def test_without_a_result_it_is_accepted(hub: Hub, name: str, body: dict[str, int]) -> None:
    answer = hub.post(f"/webhooks/{name}", json=body)
    assert (answer.status_code, answer.json()["deliveries"][0]["executor"]) == (202, name)


def test_a_result_that_is_late_is_not_waited_for(hub: Hub) -> None:
    body = b'{"n": 1}'
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"content-type": "application/json", "sentry-hook-signature": digest}
    answer = hub.post("/webhooks/late", content=body, headers=headers)
    assert (answer.status_code, answer.json()["deliveries"][0]["executor"]) == (202, "late")
    until(lambda: hub.project.outcomes("late"), why="it runs all the same")


def test_a_body_of_another_shape_is_told_where(hub: Hub) -> None:
    answer = hub.post("/webhooks/shaped", json={"items": [{"sku": 1}, {}]})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "items" in answer.json()["detail"]
    assert "1" in answer.json()["detail"]
    assert hub.post("/webhooks/shaped", json={"items": []}).status_code == 202
    assert len(hub.project.store("SELECT 1 FROM events WHERE source = 'webhook:shaped'")) == 1
