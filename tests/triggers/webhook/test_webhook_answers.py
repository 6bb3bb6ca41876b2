"""What an answer says, and what it can never do."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest
from webhook_kit import GITHUB, OPEN, SECRET, Desk, endpoint, problems, signed

from hub.model.event import StoredEvent
from hub.triggers.webhook.answer import Answer, json_answer

ATTACKS = [b"<script>alert(1)</script>", b'"><img src=x onerror=1>', b"javascript:alert(1)"]


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_answer_can_run_in_a_browser(attack: bytes) -> None:
    desk = Desk(
        endpoint(GITHUB), endpoint({"preset": "dropbox", "secret": SECRET}, "drop-box"), endpoint(OPEN, "open-door")
    )
    replies = [
        desk.raw(attack, [(b"x-hub-signature-256", attack)]),
        desk.raw(attack, [(b"content-type", attack)]),
        desk.raw(attack, [], path="/webhooks/" + attack.decode().replace("/", "")),
        desk.raw(b"", [], path="/webhooks/drop-box", method="GET", query=b"challenge=" + attack),
        desk.raw(attack, [(b"x-event-id", attack)], path="/webhooks/open-door", query=b"x=" + attack),
    ]
    for reply in replies:
        assert attack not in reply.body
        assert b"<" not in reply.body
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["content-security-policy"].startswith("sandbox")
        assert reply.headers["content-type"] in (
            "application/json",
            "application/problem+json",
            "text/plain; charset=utf-8",
        )


def test_errors_are_problem_documents() -> None:
    answer = Desk(endpoint(GITHUB)).post()
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "The credential is missing or wrong.",
    }


def test_basic_and_bearer_are_challenged() -> None:
    desk = Desk(
        endpoint({"preset": "basic", "secret": f"user:{SECRET}"}),
        endpoint({"preset": "bearer", "secret": SECRET}, "bear-er"),
    )
    assert desk.post().headers["www-authenticate"] == 'Basic realm="hub"'
    assert desk.post(url="/webhooks/bear-er").headers["www-authenticate"] == "Bearer"


def test_refusals_are_told_to_the_operator_alone(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []
    desk = Desk(endpoint(GITHUB), on_refused=lambda name, verdict, request: seen.append((name, verdict, request.body)))
    with caplog.at_level(logging.INFO):
        assert desk.post(b"{}", signed(b"other")).status_code == 401
    name, verdict, body = seen[0]
    assert (name, verdict.step, body) == ("erp-push", "signature", b"{}")
    assert "no signature matches" in caplog.text
    assert "erp-push" in caplog.text


def test_an_old_secret_still_in_use_is_warned_about_once(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(endpoint({"preset": "github", "secret": ["another-secret-of-16-bytes", SECRET]}))
    for _ in range(3):
        assert desk.post(b"{}", signed(b"{}")).status_code == 202
    assert caplog.text.count("secret number 2") == 1
    desk.intake.endpoints = {"erp-push": endpoint({"preset": "github", "secret": ["yet-another-one-16-bytes", SECRET]})}
    for _ in range(2):
        assert desk.post(b"{}", signed(b"{}")).status_code == 202
    assert caplog.text.count("secret number 2") == 2, "the next rotation is another one"


def test_a_file_may_choose_its_answer() -> None:
    desk = Desk(endpoint(OPEN, response={"status": 200, "body": '{"ok":true}', "headers": {"X-Mine": "yes"}}))
    answer = desk.post()
    assert (answer.status_code, answer.content, answer.headers["x-mine"]) == (200, b'{"ok":true}', "yes")
    assert answer.headers["content-type"] == "application/json"


def test_a_file_may_say_what_kind_of_text_its_answer_is() -> None:
    made = endpoint(OPEN, response={"body": "<Response/>", "headers": {"Content-Type": "text/xml"}})
    answer = Desk(made).post()
    assert answer.headers.get_list("content-type") == ["text/xml"]
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("response", "why"),
    [
        ({"headers": {"Set-Cookie": "a=b"}}, "set-cookie"),
        ({"headers": {"content-security-policy": "none"}}, "content-security-policy"),
        ({"headers": {"x-mine": "a\r\nx: y"}}, "ASCII"),
        ({"status": 404}, "200 to 299"),
        ({"body": "<b>${{ args.body.name }}</b>", "headers": {"Content-Type": "text/html"}}, "browser"),
    ],
)
def test_answers_that_would_do_harm_are_found_at_load(response: dict[str, Any], why: str) -> None:
    (found,) = problems(OPEN, response=response)
    assert why in found


def test_a_result_may_be_the_answer_when_it_comes_in_time() -> None:
    made = endpoint(OPEN, response={"respond": "result"})

    async def respond(_endpoint: Any, stored: StoredEvent) -> Answer | None:
        return json_answer({"from": stored.id})

    async def fail(_endpoint: Any, _stored: StoredEvent) -> Answer | None:
        raise RuntimeError("no result")

    async def never(_endpoint: Any, _stored: StoredEvent) -> Answer | None:
        await asyncio.Event().wait()
        return None

    assert Desk(made, respond=respond).post().json() == {"from": "EVENT0"}
    assert Desk(made, respond=fail).post().status_code == 202
    hurried = replace(made, response=replace(made.response, deadline=0.01))
    answer = Desk(hurried, respond=never).post()
    assert (answer.status_code, answer.json()["event_id"]) == (202, "EVENT0")
    assert Desk(endpoint(OPEN), respond=respond).post().json()["event_id"] == "EVENT0"


def test_an_answer_without_content_has_no_length_no_type_and_no_body() -> None:
    desk = Desk(endpoint(GITHUB, response={"status": 204}))
    answer = desk.raw(b"{}", [(name.encode(), value.encode()) for name, value in signed(b"{}").items()])
    assert (answer.status, answer.body, len(desk.store.events)) == (204, b"", 1)
    assert not {"content-length", "content-type", "transfer-encoding"} & answer.headers.keys()


@pytest.mark.parametrize("response", [{"body": "ok"}, {"body": "${{ args.body }}"}, {"respond": "result"}])
@pytest.mark.parametrize("status", [204, 205])
def test_an_answer_without_content_cannot_be_given_one(status: int, response: dict[str, Any]) -> None:
    assert "has no body" in problems(GITHUB, response={"status": status, **response})[0]
