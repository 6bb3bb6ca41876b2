"""What is not taken, and with which status its sender is told so."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from webhook_kit import GITHUB, NOW, OPEN, SECRET, Desk, endpoint, signed

from hub.model.errors import StoreUnavailable
from hub.triggers.webhook.documents import Documents
from hub.triggers.webhook.endpoint import Undecided
from hub.triggers.webhook.examine import examine
from hub.triggers.webhook.request import RawRequest


def test_unknown_executors_and_wrong_tokens_look_the_same() -> None:
    desk = Desk(endpoint(None, "token-door"), tokens=lambda name: b"t" * 43 if name == "token-door" else None)
    unknown = desk.post(url="/webhooks/nobody/wrong")
    for url in (
        "/webhooks/token-door",
        "/webhooks/token-door/",
        "/webhooks/token-door/wrong",
        "/webhooks/token-door/%C3%A9",
        "/webhooks/token-door/a/b",
    ):
        answer = desk.post(url=url)
        assert (answer.status_code, answer.content) == (404, unknown.content)
    assert desk.post(url="/webhooks/token-door/" + "t" * 43).status_code == 202


def test_an_executor_whose_token_is_not_made_yet_takes_nothing() -> None:
    desk = Desk(endpoint(None))
    for url in ("/webhooks/erp-push", "/webhooks/erp-push/", "/webhooks/erp-push/x"):
        assert desk.post(url=url).status_code == 404


def test_a_file_that_cannot_be_read_right_now_asks_to_come_again() -> None:
    desk = Desk()
    desk.intake.broken = {"erp-push"}
    answer = desk.post()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_other_methods_are_told_which_one_is_right() -> None:
    desk = Desk(endpoint(GITHUB), endpoint({"preset": "meta", "secret": SECRET, "verify_token": "v"}, "meta-app"))
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"):
        answer = desk.post(method=method)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert desk.post(method="PUT", url="/webhooks/meta-app").headers["allow"] == "GET, POST"
    assert Desk(endpoint(OPEN, methods=("POST", "PUT"))).post(method="PUT").status_code == 202


def test_methods_are_not_told_to_those_without_the_token() -> None:
    desk = Desk(endpoint(None), tokens=lambda _name: b"t" * 43)
    assert desk.post(method="PUT", url="/webhooks/erp-push/wrong").status_code == 404


@pytest.mark.parametrize("size", ["1048577", "99999999999999999999999"])
def test_a_body_that_says_it_is_too_large_is_not_read(size: str) -> None:
    desk = Desk(endpoint(OPEN))
    reply = desk.raw([], [(b"content-length", size.encode())])
    assert (reply.status, reply.headers["connection"]) == (413, "close")


def test_a_body_that_turns_out_too_large_is_given_up() -> None:
    desk = Desk(endpoint(OPEN, limits={"body": 10}))
    assert desk.raw([b"12345", b"67890", b""], []).status == 202
    assert desk.raw([b"12345", b"67890", b"1", b"never read"], []).status == 413
    assert desk.intake._budget.held == 0


@pytest.mark.parametrize("length", [b"-1", b"+5", b"5,5", b"0x5", b"", b"\xd9\xa1"])
def test_a_length_is_a_number(length: bytes) -> None:
    assert Desk(endpoint(OPEN)).raw(b"{}", [(b"content-length", length)]).status == 400


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip", "x-gzip"])
def test_compressed_bodies_are_not_taken(encoding: str) -> None:
    assert Desk(endpoint(GITHUB)).post(b"{}", signed(b"{}", content_encoding=encoding)).status_code == 415


def test_identity_is_no_compression() -> None:
    assert Desk(endpoint(GITHUB)).post(b"{}", signed(b"{}", content_encoding="identity")).status_code == 202


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 202),
        ("application/json; charset=utf-8", 202),
        ("Application/JSON", 202),
        ("application/vnd.github+json", 202),
        ("application/x-www-form-urlencoded", 202),
        ("text/json", 415),
        ("text/plain", 415),
        ("text/html", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/xml", 415),
        ("application/octet-stream", 415),
        ("application/jsonx", 415),
        ("json", 415),
    ],
)
def test_the_same_body_under_many_content_types(kind: str, status: int) -> None:
    assert Desk(endpoint(GITHUB)).post(b"{}", signed(b"{}") | {"content-type": kind}).status_code == status


def test_two_content_types_are_none() -> None:
    reply = Desk(endpoint(OPEN)).raw(b"{}", [(b"content-type", b"application/json"), (b"content-type", b"text/plain")])
    assert reply.status == 415


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"NaN",
        b'{"a":1,"a":2}',
        b"[" * 5_000,
        b'"\\ud800"',
        b"\xff",
        b'{"a":"\\u0000"}',
        b"[" + b"9" * 5_000 + b"]",
    ],
)
def test_unreadable_bodies_are_400_after_and_401_before_their_signature(body: bytes) -> None:
    desk = Desk(endpoint(GITHUB))
    assert desk.post(body, signed(body)).status_code == 400
    assert desk.post(body, signed(b"other")).status_code == 401
    assert desk.store.events == []


def test_a_body_of_another_shape_is_422_with_the_path() -> None:
    def compile_schema(schema: Any) -> Any:
        return lambda value: None if "total" in value else f"$: {schema['required'][0]} is missing <script>"

    desk = Desk(endpoint(GITHUB, schema={"required": ["total"]}, compile_schema=compile_schema))
    answer = desk.post(b"{}", signed(b"{}"))
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("$: total is missing")
    assert b"<script" not in answer.content
    assert desk.post(b'{"total": 1}', signed(b'{"total": 1}')).status_code == 202


@pytest.mark.parametrize(
    ("said", "status", "retry"), [(None, 202, None), ("$: total is missing", 422, None), (Undecided(), 503, "5")]
)
def test_what_takes_long_to_be_judged_is_waited_for(
    said: str | Exception | None, status: int, retry: str | None
) -> None:
    async def judge() -> str | None:
        await asyncio.sleep(0)
        if isinstance(said, Exception):
            raise said
        return said

    made = endpoint(GITHUB, schema={}, compile_schema=lambda _schema: lambda _value: judge)
    desk = Desk(made)
    answer = desk.post(b"{}", signed(b"{}"))
    assert (answer.status_code, answer.headers.get("retry-after")) == (status, retry)
    assert len(desk.store.events) == (status == 202)
    headers = [(name.encode(), value.encode()) for name, value in signed(b"{}").items()]
    request = RawRequest("POST", "/webhooks/erp-push", headers, b"{}")
    examined = asyncio.run(examine(made, request, NOW, Documents()))
    assert examined.ok == (said is None)
    assert examined.steps[-1].name == "schema"


def test_an_event_that_is_not_taken_may_have_any_shape() -> None:
    def compile_schema(_schema: Any) -> Any:
        return lambda value: None if "total" in value else "$: total is missing"

    made = endpoint(
        GITHUB, schema={"required": ["total"]}, events=["push", "pull_request.*"], compile_schema=compile_schema
    )
    desk = Desk(made)
    for event, status in [("ping", 202), ("push", 422), ("pull_request", 422)]:
        body = b'{"action": "opened"}'
        assert desk.post(body, signed(body, x_github_event=event)).status_code == status
    assert [event.type for event in desk.store.events] == ["ping.opened"]


@pytest.mark.parametrize(
    "failure", [StoreUnavailable("the disk is full"), OSError("no space left"), RuntimeError("a bug")]
)
def test_what_is_not_stored_is_not_accepted(failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(endpoint(GITHUB))
    desk.store.fail = failure
    with caplog.at_level(logging.CRITICAL):
        answer = desk.post(b"{}", signed(b"{}"))
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert str(failure) not in answer.text


@pytest.mark.parametrize(
    ("header", "status", "said"),
    [
        (
            (b"content-type", b"text/html"),
            415,
            "is text/html, and what is taken is application/json, application/x-www",
        ),
        ((b"content-type", b"<b>"), 415, "is of no kind"),
        ((b"content-encoding", b"gzip"), 415, "compressed"),
        ((b"content-length", b"9999999"), 413, "more than 1,048,576 bytes"),
        ((b"content-length", b"-1"), 400, "no number"),
    ],
)
def test_what_is_turned_away_by_its_head_is_kept_with_the_reason(
    header: tuple[bytes, bytes], status: int, said: str
) -> None:
    seen: list[Any] = []
    desk = Desk(endpoint(GITHUB), on_refused=lambda name, verdict, request: seen.append((name, verdict, request.body)))
    assert desk.raw(b"{}", [header]).status == status
    ((name, verdict, body),) = seen
    assert (name, verdict.step, body) == ("erp-push", "head", b"")
    assert said in verdict.reason
