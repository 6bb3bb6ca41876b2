from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from webhook_kit import NOW, SECRET, Desk, endpoint

from hub.triggers.webhook.sign import sign


def _signed(verify: dict[str, Any], body: bytes, **more: str) -> Any:
    made = endpoint(verify)
    signed = sign(made, body, NOW)
    desk = Desk(made)
    return desk, desk.post(
        signed.body, {**signed.headers, **{key.replace("_", "-"): value for key, value in more.items()}}
    )


def test_slack_is_echoed_only_when_signed() -> None:
    body = b'{"type": "url_verification", "challenge": "abc123"}'
    desk, answer = _signed({"preset": "slack", "secret": SECRET}, body)
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (
        200,
        "abc123",
        "text/plain; charset=utf-8",
    )
    assert desk.post(body, {"content-type": "application/json"}).status_code == 401
    assert desk.store.events == []


def test_zoom_signs_for_nobody_but_zoom() -> None:
    body = b'{"event": "endpoint.url_validation", "payload": {"plainToken": "abc"}}'
    desk, answer = _signed({"preset": "zoom", "secret": SECRET}, body)
    assert answer.json() == {
        "plainToken": "abc",
        "encryptedToken": hmac.new(SECRET.encode(), b"abc", "sha256").hexdigest(),
    }
    unsigned = desk.post(body, {"content-type": "application/json"})
    assert unsigned.status_code == 401
    assert "encryptedToken" not in unsigned.text
    assert desk.store.events == []


@pytest.mark.parametrize("token", ["<script>", "", "a" * 257, 7, None, "a b"])
def test_zoom_is_not_given_signatures_of_odd_texts(token: Any) -> None:
    body = json.dumps({"event": "endpoint.url_validation", "payload": {"plainToken": token}}).encode()
    desk, answer = _signed({"preset": "zoom", "secret": SECRET}, body)
    assert answer.status_code == 400
    assert desk.store.events == []


def test_zoom_answers_with_the_secret_that_matched() -> None:
    body = b'{"event": "endpoint.url_validation", "payload": {"plainToken": "abc"}}'
    signed = sign(endpoint({"preset": "zoom", "secret": SECRET}), body, NOW)
    desk = Desk(endpoint({"preset": "zoom", "secret": ["a-new-secret-of-this-year", SECRET]}))
    answer = desk.post(body, signed.headers)
    assert answer.json()["encryptedToken"] == hmac.new(SECRET.encode(), b"abc", "sha256").hexdigest()


def test_twitch_is_echoed_raw() -> None:
    verify = {"preset": "twitch", "secret": SECRET}
    desk, answer = _signed(
        verify, b'{"challenge": "pogchamp"}', twitch_eventsub_message_type="webhook_callback_verification"
    )
    assert (answer.status_code, answer.text) == (200, "pogchamp")
    assert desk.store.events == []
    desk, answer = _signed(verify, b'{"challenge": "pogchamp"}', twitch_eventsub_message_type="notification")
    assert answer.status_code == 202
    assert len(desk.store.events) == 1


@pytest.mark.parametrize(
    ("body", "status", "stored"),
    [
        (b'{"type": 1}', 200, 0),
        (b'{"type": 0}', 204, 0),
        (b'{"type": 2, "id": "1"}', 202, 1),
        (b'{"type": 1, "event": {"type": "X"}}', 202, 1),
    ],
)
def test_discord_pings_are_answered_and_events_are_stored(body: bytes, status: int, stored: int) -> None:
    private = Ed25519PrivateKey.generate()
    desk = Desk(endpoint({"preset": "discord", "secret": private.public_key().public_bytes_raw().hex()}))
    stamp = str(NOW // 1000)
    headers = {"x-signature-ed25519": private.sign(stamp.encode() + body).hex(), "x-signature-timestamp": stamp}
    answer = desk.post(body, headers | {"content-type": "application/json"})
    assert (answer.status_code, len(desk.store.events)) == (status, stored)
    bad = headers | {"x-signature-ed25519": "00" * 64}
    assert desk.post(body, bad).status_code == 401
    desk.clock.ms += 300_001
    assert desk.post(body, headers).status_code == 401


def test_meta_asks_with_the_token_of_the_file() -> None:
    desk = Desk(endpoint({"preset": "meta", "secret": SECRET, "verify_token": "my-token"}))
    url = "/webhooks/erp-push?hub.mode=subscribe&hub.challenge={}&hub.verify_token={}"
    answer = desk.post(method="GET", url=url.format("115820", "my-token"))
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (
        200,
        "115820",
        "text/plain; charset=utf-8",
    )
    for challenge, token in (("1", "other"), ("1", ""), ("1", "m%C3%BC"), ("1", "my-token&hub.verify_token=other")):
        assert desk.post(method="GET", url=url.format(challenge, token)).status_code in (401, 403)
    assert desk.post(method="GET", url=url.format("%3Cscript%3E", "my-token")).status_code == 400
    assert desk.post(method="GET").status_code == 400
    assert (
        Desk(endpoint({"preset": "meta", "secret": SECRET})).post(method="GET", url=url.format("1", "")).status_code
        == 403
    )


@pytest.mark.parametrize(
    ("challenge", "status"),
    [("abc-1._~", 200), ("a" * 256, 200), ("a" * 257, 400), ("%3Cb%3E", 400), ("", 400), ("a%00", 400)],
)
def test_echoes_are_plain_and_short(challenge: str, status: int) -> None:
    desk = Desk(endpoint({"preset": "dropbox", "secret": SECRET}))
    answer = desk.post(method="GET", url=f"/webhooks/erp-push?challenge={challenge}")
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_graph_is_validated_by_echo_and_every_item_needs_the_client_state() -> None:
    desk = Desk(endpoint({"preset": "msgraph", "secret": SECRET}))
    answer = desk.post(
        b"", {"content-type": "text/plain"}, url="/webhooks/erp-push?validationToken=Validation%3A+Testing+id%3A+1"
    )
    assert (answer.status_code, answer.text) == (200, "Validation: Testing id: 1")
    assert desk.post(b"", url="/webhooks/erp-push?validationToken=%3Cscript%3E").status_code == 400
    good = {"clientState": SECRET, "changeType": "created"}
    for items, status in (
        ([good, good], 202),
        ([good, {**good, "clientState": "evil"}], 401),
        ([good, {}], 401),
        ([], 401),
        (None, 401),
        ([good, 1], 401),
    ):
        body = json.dumps({"value": items}).encode()
        assert desk.post(body, {"content-type": "application/json"}).status_code == status
    assert len(desk.store.events) == 1


def test_event_grid_is_validated_by_its_code() -> None:
    body = json.dumps([{"data": {"validationCode": "512d38b6", "validationUrl": "https://evil.example"}}]).encode()
    headers = {"aeg-event-type": "SubscriptionValidation", "content-type": "application/json"}
    desk = Desk(endpoint({"preset": "eventgrid", "secret": SECRET}))
    answer = desk.post(body, headers, url=f"/webhooks/erp-push?code={SECRET}")
    assert answer.json() == {"validationResponse": "512d38b6"}
    assert desk.post(body, headers).status_code == 401
    assert desk.post(b'[{"eventType": "X", "id": "1"}]', url=f"/webhooks/erp-push?code={SECRET}").status_code == 202
    assert SECRET not in json.dumps(desk.store.events[0].payload)


def test_cloudevents_asks_for_consent() -> None:
    desk = Desk(endpoint({"preset": "cloudevents", "secret": SECRET, "origins": ["events.example.com"]}))
    answer = desk.post(
        b"", {"WebHook-Request-Origin": "events.example.com", "WebHook-Request-Rate": "60"}, method="OPTIONS"
    )
    assert answer.status_code == 200
    assert answer.headers["webhook-allowed-origin"] == "events.example.com"
    assert (answer.headers["webhook-allowed-rate"], answer.headers["allow"]) == ("60", "POST")
    stranger = desk.post(b"", {"WebHook-Request-Origin": "evil.example.com"}, method="OPTIONS")
    assert stranger.status_code == 403
    alone = Desk(endpoint({"preset": "cloudevents", "secret": SECRET, "origins": "Events.example.com"}))
    assert alone.post(b"", {"WebHook-Request-Origin": "events.example.com"}, method="OPTIONS").status_code == 200
    assert alone.post(b"", {"WebHook-Request-Origin": "e"}, method="OPTIONS").status_code == 403
    assert "webhook-allowed-origin" not in stranger.headers
    assert desk.post(b"", method="OPTIONS").status_code == 405
    assert (
        desk.post(
            b"{}", {"authorization": f"bearer {SECRET}", "ce-id": "1", "content-type": "application/json"}
        ).status_code
        == 202
    )
    assert desk.post(b"{}", {"authorization": f"Basic {SECRET}"}).status_code == 401


def test_twitter_signs_short_plain_texts_only() -> None:
    desk = Desk(endpoint({"preset": "twitter", "secret": SECRET}))
    mac = base64.b64encode(hmac.digest(SECRET.encode(), b"abc", "sha256")).decode()
    assert desk.post(method="GET", url="/webhooks/erp-push?crc_token=abc").json() == {"response_token": f"sha256={mac}"}
    for token in ("", "a" * 257, "%7B%22a%22%7D", "a%20b"):
        assert desk.post(method="GET", url=f"/webhooks/erp-push?crc_token={token}").status_code == 400


def test_notion_gives_its_key_to_the_operator_and_starts_nothing() -> None:
    shown: list[tuple[str, str]] = []
    body = b'{"verification_token": "secret_abc"}'
    fresh = Desk(endpoint({"preset": "notion"}), on_first_token=lambda name, token: shown.append((name, token)))
    assert fresh.post(body, {"content-type": "application/json"}).status_code == 200
    assert shown == [("erp-push", "secret_abc")]
    assert fresh.post(b'{"id": "1"}').status_code == 401
    ready = Desk(
        endpoint({"preset": "notion", "secret": SECRET}), on_first_token=lambda name, token: shown.append((name, token))
    )
    assert ready.post(body).status_code == 401
    assert len(shown) == 1
    assert fresh.store.events == ready.store.events == []


def test_event_grid_may_ask_before_it_has_a_secret_and_sends_nothing_yet() -> None:
    desk = Desk(endpoint({"preset": "eventgrid"}))
    body = b'[{"data": {"validationCode": "512d38b6"}}]'
    asks = {"aeg-event-type": "SubscriptionValidation", "content-type": "application/json"}
    assert desk.post(body, asks).json() == {"validationResponse": "512d38b6"}
    assert desk.post(b'[{"data": {"validationCode": "<b>"}}]', asks).status_code == 400
    assert desk.post(b"{}", asks).status_code == 400
    assert desk.post(body, asks | {"aeg-event-type": "Notification"}).status_code == 401
    assert desk.store.events == []


@pytest.mark.parametrize("name", ["line", "xero"])
def test_a_signed_delivery_of_no_events_is_only_a_question(name: str) -> None:
    desk, answer = _signed({"preset": name, "secret": SECRET}, b'{"events": [], "entropy": "S0m3"}')
    assert (answer.status_code, answer.content, desk.store.events) == (200, b"", [])
    refused = desk.post(b'{"events": []}', {"content-type": "application/json"})
    assert (refused.status_code, desk.store.events) == (401, [])
    desk, answer = _signed({"preset": name, "secret": SECRET}, b'{"events": [{"webhookEventId": "1"}]}')
    assert (answer.is_success, len(desk.store.events)) == (True, 1)


def test_woocommerce_pings_without_a_signature() -> None:
    desk = Desk(endpoint({"preset": "woocommerce", "secret": SECRET}))
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert desk.post(b"webhook_id=12", form).status_code == 200
    for body, headers in (
        (b"webhook_id=12&order=7", form),
        (b"webhook_id=<b>", form),
        (b"webhook_id=12", form | {"x-wc-webhook-signature": "AAAA"}),
        (b"{}", {"content-type": "application/json"}),
    ):
        assert desk.post(body, headers).status_code == 401
    assert desk.store.events == []


def test_discords_two_kinds_of_senders_are_answered_as_each_wants_it() -> None:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw().hex()
    body, stamp = b'{"type": 1, "event": {"type": "ENTITLEMENT_CREATE"}}', str(NOW // 1000)
    headers = {"x-signature-ed25519": private.sign(stamp.encode() + body).hex(), "x-signature-timestamp": stamp}
    for name, status in (("discord", 202), ("discord-events", 204)):
        desk = Desk(endpoint({"preset": name, "secret": public}))
        answer = desk.post(body, headers | {"content-type": "application/json"})
        assert (answer.status_code, len(desk.store.events)) == (status, 1)
