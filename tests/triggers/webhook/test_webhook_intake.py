from __future__ import annotations

import asyncio
import hmac
import json
import logging
from dataclasses import replace
from typing import Any

import pytest
from webhook_kit import NOW, SECRET, Desk, MemoryStore, call, endpoint, problems

from hub.model.errors import StoreUnavailable
from hub.model.event import NewEvent, StoredEvent
from hub.triggers.webhook.answer import Answer, json_answer
from hub.triggers.webhook.intake import Settings
from hub.triggers.webhook.receiving import Pace

GITHUB = {"preset": "github", "secret": SECRET}
OPEN = {"type": "none", "id": {"from": "header:X-Event-Id"}}


def signed(body: bytes, **more: str) -> dict[str, str]:
    headers = {"content-type": "application/json", "x-github-event": "push", "x-github-delivery": "d-1"}
    headers["x-hub-signature-256"] = "sha256=" + hmac.new(SECRET.encode(), body, "sha256").hexdigest()
    return headers | {name.replace("_", "-"): value for name, value in more.items()}


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


# --- answers ---------------------------------------------------------------------------------------------------------


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


# --- limits ----------------------------------------------------------------------------------------------------------


def _scope(path: str = "/webhooks/erp-push") -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "client": ("192.0.2.7", 1),
    }


def test_a_body_that_never_comes_is_given_up() -> None:
    desk = Desk(endpoint(OPEN), settings=Settings(pace=Pace(deadline=1.0, patience=0.02, rate=1_000)))
    reply = asyncio.run(call(desk.intake, _scope(), [{"type": "http.request", "body": b"x", "more_body": True}]))
    assert (reply.status, reply.headers["connection"]) == (408, "close")
    assert (desk.intake._budget.held, desk.intake.gates.inside) == (0, 0)


def test_a_pace_gives_time_for_what_has_come() -> None:
    pace = Pace()
    assert [pace.allowed(received) for received in (0, 1_024, 10_240, 1_048_576)] == [5.0, 6.0, 15.0, 30.0]


class Jumping(asyncio.SelectorEventLoop):
    """An event loop whose clock can be put forward."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


@pytest.mark.parametrize(("size", "status"), [(10_000, 202), (1, 408)])
def test_a_slow_body_that_keeps_its_pace_is_waited_for(size: int, status: int) -> None:
    desk = Desk(endpoint(OPEN))
    chunks = [b"x" * size] * 4
    answers: list[int] = []

    async def receive() -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Jumping)
        loop.ahead += 4
        for _ in range(3):
            await asyncio.sleep(0)
        return {"type": "http.request", "body": chunks.pop(), "more_body": bool(chunks)}

    async def send(message: Any) -> None:
        answers.append(message.get("status", 0))

    with asyncio.Runner(loop_factory=Jumping) as runner:
        runner.run(desk.intake(_scope(), receive, send))
    assert answers[0] == status


def test_a_sender_that_hangs_up_gets_no_answer_and_stores_nothing() -> None:
    desk = Desk(endpoint(OPEN))
    reply = asyncio.run(
        call(
            desk.intake,
            _scope(),
            [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}],
        )
    )
    assert (reply.status, desk.store.events) == (0, [])


def test_unfinished_bodies_have_a_budget() -> None:
    desk = Desk(endpoint(OPEN), settings=Settings(unfinished=100))
    assert desk.raw([b"x" * 60, b"y" * 60, b""], []).status == 503
    assert desk.raw([b"x" * 60, b"y" * 30, b""], []).status == 202


class SlowStore(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def store_event(self, event: NewEvent, *, timeout: float) -> StoredEvent:  # noqa: ASYNC109 - the port's word
        await self.go.wait()
        return await super().store_event(event, timeout=timeout)


def test_one_source_cannot_take_every_place() -> None:
    async def story() -> list[int]:
        desk = Desk(endpoint(OPEN, limits={"concurrency": 2}), endpoint(OPEN, "open-door"))
        store = SlowStore()
        desk.intake._store = store
        message = [{"type": "http.request", "body": b"{}", "more_body": False}]
        flood = [asyncio.ensure_future(call(desk.intake, _scope(), message)) for _ in range(3)]
        quiet = asyncio.ensure_future(call(desk.intake, _scope("/webhooks/open-door"), message))
        await asyncio.sleep(0)
        store.go.set()
        return [reply.status for reply in await asyncio.gather(*flood, quiet)]

    assert sorted(asyncio.run(story())[:3]) == [202, 202, 503]
    assert asyncio.run(story())[3] == 202


def test_all_sources_together_have_a_limit_too() -> None:
    assert Desk(endpoint(OPEN), settings=Settings(concurrency=0)).post().status_code == 503


def test_a_rate_is_kept_and_recovers() -> None:
    desk = Desk(endpoint(OPEN, limits={"rate": 2}))
    assert [desk.post().status_code for _ in range(3)] == [202, 202, 429]
    assert desk.post().headers["retry-after"] == "30"
    desk.clock.seconds += 31
    assert [desk.post().status_code for _ in range(2)] == [202, 429]


def test_networks_are_checked_by_containment_and_proxies_only_when_trusted() -> None:
    from ipaddress import ip_network

    made = endpoint(OPEN, limits={"networks": ["192.0.2.0/24", "1.2.3.4"]})
    plain = Desk(made)
    assert plain.raw(b"{}", [], client=("192.0.2.9", 1)).status == 202
    assert plain.raw(b"{}", [], client=("11.2.3.45", 1)).status == 403
    assert plain.raw(b"{}", [], client=("::ffff:1.2.3.4", 1)).status == 202
    assert plain.raw(b"{}", [], client=None).status == 403
    assert plain.raw(b"{}", [(b"x-forwarded-for", b"1.2.3.4")], client=("203.0.113.1", 1)).status == 403
    proxied = Desk(made, settings=Settings(trusted_proxies=(ip_network("203.0.113.0/24"),)))
    assert proxied.raw(b"{}", [(b"x-forwarded-for", b"1.2.3.4")], client=("203.0.113.1", 1)).status == 202
    assert proxied.raw(b"{}", [(b"x-forwarded-for", b"1.2.3.4, 198.51.100.1")], client=("203.0.113.1", 1)).status == 403
    assert proxied.raw(b"{}", [(b"x-forwarded-for", b"1.2.3.4, 203.0.113.7")], client=("203.0.113.1", 1)).status == 202
    assert proxied.raw(b"{}", [(b"x-forwarded-for", b"junk")], client=("203.0.113.1", 1)).status == 403
    assert proxied.raw(b"{}", [(b"x-forwarded-for", b"1.2.3.4")], client=("198.51.100.1", 1)).status == 403


def test_too_many_parameters_are_not_taken() -> None:
    assert Desk(endpoint(OPEN)).raw(b"{}", [], query=b"&".join([b"a=1"] * 201)).status == 400


def test_names_and_values_of_any_bytes_are_never_a_server_error() -> None:
    desk = Desk(endpoint(GITHUB), endpoint(OPEN, "open-door"))
    for path in (
        "/webhooks/erp-push",
        "/webhooks/open-door",
        "/webhooks/\udcff",
        "/webhooks",
        "/",
        "/webhooks/" + "x" * 5_000,
    ):
        reply = desk.raw(
            b"\xff\x00",
            [(b"x-\xff", b"\xff\x00\xfe"), (b"", b""), (b"x-github-event", b"\xff")],
            path=path.encode("utf-8", "replace").decode(),
            query=b"%ff=%00&\xff",
        )
        assert reply.status < 500, path
