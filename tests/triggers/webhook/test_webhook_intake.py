"""What is taken: stored once, under its own key, and without what could prove anything to others."""

from __future__ import annotations

import hmac
import json

import pytest
from webhook_kit import GITHUB, NOW, OPEN, SECRET, Desk, endpoint, signed


def test_a_delivery_is_stored_and_named_in_the_answer() -> None:
    desk = Desk(endpoint(GITHUB))
    body = b'{"ref": "main"}'
    answer = desk.post(body, signed(body), url="/webhooks/erp-push?site=1&token=hush&site=2")
    assert answer.status_code == 202
    assert answer.json() == {"event_id": "EVENT0", "deliveries": [{"executor": "erp-push", "id": "EVENT0.erp-push"}]}
    event = desk.store.events[0]
    assert (event.source, event.key, event.type, event.time) == ("webhook:erp-push", "d-1", "push", NOW)
    assert (event.body, event.executors) == (body, ("erp-push",))
    assert event.payload["method"] == "POST"
    assert event.payload["query"] == {"site": ["1", "2"], "token": "[redacted]"}
    assert event.payload["headers"]["x-github-event"] == "push"
    assert "body" not in event.payload


def test_the_action_is_part_of_the_event_name() -> None:
    desk = Desk(endpoint(GITHUB))
    body = b'{"action": "opened"}'
    desk.post(body, signed(body, x_github_event="pull_request"))
    assert desk.store.events[0].type == "pull_request.opened"


def test_a_repeated_delivery_gets_the_same_answer_and_is_stored_once() -> None:
    desk = Desk(endpoint(GITHUB))
    body = b'{"ref": "main"}'
    first, again = desk.post(body, signed(body)), desk.post(body, signed(body))
    assert (again.status_code, again.content) == (202, first.content)
    assert len(desk.store.events) == 1


def test_the_same_id_with_another_body_is_a_conflict() -> None:
    desk = Desk(endpoint(GITHUB))
    assert desk.post(b"[1]", signed(b"[1]")).status_code == 202
    assert desk.post(b"[2]", signed(b"[2]")).status_code == 409


def test_without_an_id_nothing_is_guessed() -> None:
    desk = Desk(endpoint({"preset": "dropbox", "secret": SECRET}), endpoint(OPEN, "open-door"))
    mac = hmac.new(SECRET.encode(), b"{}", "sha256").hexdigest()
    for _ in range(2):
        assert desk.post(b"{}", {"x-dropbox-signature": mac}).status_code == 202
        assert desk.post(b"{}", url="/webhooks/open-door").status_code == 202
    assert [event.key for event in desk.store.events] == [None] * 4


@pytest.mark.parametrize(
    ("dedupe", "key"),
    [
        ({"key": "body"}, "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
        ({"key": "none"}, None),
        ({"key": "header:X-Mine"}, "m-1"),
        ({}, "e-1"),
    ],
)
def test_a_file_may_say_what_is_the_same(dedupe: dict[str, str], key: str | None) -> None:
    desk = Desk(endpoint(OPEN, dedupe=dedupe))
    desk.post(b"{}", {"X-Event-Id": "e-1", "X-Mine": "m-1"})
    assert desk.store.events[0].key == key


@pytest.mark.parametrize("path", ["items.1.id", "items[1].id"])
def test_an_id_may_stand_in_a_list(path: str) -> None:
    desk = Desk(endpoint(OPEN, dedupe={"key": f"json:{path}"}))
    desk.post(b'{"items": [{"id": "a"}, {"id": "b"}]}', {"Content-Type": "application/json"})
    assert desk.store.events[0].key == "b"


def test_long_and_odd_ids_become_hashes() -> None:
    desk = Desk(endpoint(OPEN))
    for identity in (b"x" * 300, b"a\x00b", b"\xff\x01"):
        assert desk.raw(b"{}", [(b"X-Event-Id", identity)]).status == 202
    assert all(event.key is not None and event.key.startswith("id-sha256:") for event in desk.store.events)
    assert len({event.key for event in desk.store.events}) == 3


def test_credentials_are_redacted_before_they_are_stored() -> None:
    desk = Desk(endpoint({"type": "hmac", "header": "X-Proof", "secret": SECRET}))
    mac = hmac.new(SECRET.encode(), b"{}", "sha256").hexdigest()
    canary = "canary-4711"
    names = [
        "Authorization",
        "Proxy-Authorization",
        "Cookie",
        "Set-Cookie",
        "X-Own-Token",
        "X-Hub-Signature",
        "X-Api-Key",
        "X-Client-Secret",
    ]
    headers = dict.fromkeys(names, canary) | {"X-Proof": mac, "X-Request-Id": "visible", "X-Event-Key": "repo:push"}
    assert (
        desk.post(b"{}", headers, url=f"/webhooks/erp-push?access_token={canary}&api_key={canary}&page=2").status_code
        == 202
    )
    stored = json.dumps(desk.store.events[0].payload)
    assert canary not in stored
    assert mac not in stored
    assert "visible" in stored
    assert "repo:push" in stored


@pytest.mark.parametrize("place", ["query:mac", "header:X-Mac"])
def test_a_signature_is_redacted_wherever_the_file_says_that_it_stands(place: str) -> None:
    desk = Desk(endpoint({"type": "hmac", "signature": place, "secret": SECRET}))
    mac = hmac.new(SECRET.encode(), b"{}", "sha256").hexdigest()
    asked = desk.post(b"{}", {"X-Mac": mac}, url=f"/webhooks/erp-push?mac={mac}&page=2")
    assert asked.status_code == 202
    payload = desk.store.events[0].payload
    kept = {"query:mac": payload["query"]["mac"], "header:X-Mac": payload["headers"]["x-mac"]}
    assert kept[place] == "[redacted]"
    assert payload["query"]["page"] == "2"


def test_a_repeated_header_is_a_list() -> None:
    desk = Desk(endpoint(OPEN))
    desk.raw(b"{}", [(b"X-One", b"1"), (b"X-One", b"2"), (b"Cookie", b"a"), (b"Cookie", b"b")])
    headers = desk.store.events[0].payload["headers"]
    assert headers["x-one"] == ["1", "2"]
    assert headers["cookie"] == ["[redacted]", "[redacted]"]


def test_forms_and_texts_are_stored_beside_their_bytes() -> None:
    desk = Desk(endpoint(OPEN))
    desk.post(b"a=1&a=2", {"content-type": "application/x-www-form-urlencoded"})
    desk.post(b"hello", {"content-type": "text/plain"})
    desk.post(b"")
    assert [event.payload["body"] for event in desk.store.events] == [{"a": ["1", "2"]}, "hello", None]
    assert desk.store.events[0].body == b"a=1&a=2"
