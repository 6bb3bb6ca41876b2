from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from webhook_kit import NOW, PUBLIC_URL, SECRET, Desk, endpoint, secret_of

from hub.model.errors import BadInput
from hub.triggers.webhook.presets import preset_names
from hub.triggers.webhook.sign import as_curl, sign

ONLY_THE_SENDER = {
    "discord",
    "discord-events",
    "telnyx",
    "sendgrid",
    "plaid",
    "sns",
    "oidc",
    "pubsub",
    "eventgrid",
    "msgraph",
}


@pytest.mark.parametrize("name", sorted(preset_names() - ONLY_THE_SENDER))
def test_a_test_request_is_accepted(name: str) -> None:
    made = endpoint({"preset": name, "secret": secret_of(name)})
    signed = sign(made, b'{"id": "x1", "event_code": "T", "webhookTimestamp": 0, "value": [{}]}', NOW, event="ping")
    desk = Desk(made)
    answer = desk.post(signed.body, signed.headers, url=f"/webhooks/erp-push{signed.query}")
    assert answer.status_code == made.response.status, answer.text
    assert len(desk.store.events) == 1
    desk.clock.ms += 90_000_000
    if made.scheme.tolerance is not None:
        assert desk.post(signed.body, signed.headers, url=f"/webhooks/erp-push{signed.query}").status_code == 401


def test_two_test_requests_are_two_deliveries() -> None:
    made = endpoint({"preset": "github", "secret": SECRET})
    desk = Desk(made)
    for moment in (NOW, NOW + 1):
        assert desk.post(b"{}", sign(made, b"{}", moment, event="push").headers).status_code == 202
    assert [event.type for event in desk.store.events] == ["push", "push"]


def test_forms_are_signed_for_twilio() -> None:
    made = endpoint({"preset": "twilio", "secret": SECRET})
    signed = sign(made, b"From=%2B1&Body=h%C3%A9", NOW)
    assert signed.headers["content-type"] == "application/x-www-form-urlencoded"
    assert Desk(made).post(signed.body, signed.headers).status_code == 202


@pytest.mark.parametrize(
    "verify",
    [
        {"preset": "discord", "secret": "ab" * 32},
        {"preset": "telnyx", "secret": "A" * 43 + "="},
    ],
)
def test_what_only_the_sender_can_sign_is_said_so(verify: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as caught:
        sign(endpoint(verify), b"{}", NOW)
    assert SECRET not in str(caught.value)


def test_a_body_without_a_place_for_the_signature_is_said_so() -> None:
    with pytest.raises(BadInput, match="cannot be signed"):
        sign(endpoint({"preset": "mailgun", "secret": SECRET}), b"[]", NOW)


def test_curl_can_be_pasted_into_a_shell() -> None:
    made = endpoint({"preset": "github", "secret": SECRET})
    body = json.dumps({"text": "it's $HOME"}).encode()
    command = as_curl(f"{PUBLIC_URL}/webhooks/erp-push", sign(made, body, NOW))
    words = shlex.split(command)
    assert words[:5] == ["curl", "-sS", "-X", "POST", f"{PUBLIC_URL}/webhooks/erp-push"]
    assert words[-2:] == ["--data-binary", body.decode()]
    assert any(word.startswith("x-hub-signature-256: sha256=") for word in words)


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"value": []}', b'{"value": [1]}', b"no json"])
def test_a_notification_of_graph_needs_a_place_for_its_client_state(body: bytes) -> None:
    with pytest.raises(BadInput, match="cannot be signed"):
        sign(endpoint({"preset": "msgraph", "secret": SECRET}), body, NOW)


@pytest.mark.parametrize(
    ("verify", "limits", "body", "kind"),
    [
        ({"preset": "github", "secret": SECRET}, {}, b"{}", "application/json"),
        ({"preset": "github", "secret": SECRET}, {}, b"payload=%7B%7D", "application/x-www-form-urlencoded"),
        ({"preset": "docusign", "secret": SECRET}, {}, b"<x/>", "application/xml"),
        ({"preset": "generic", "secret": SECRET}, {}, b"a=1", "application/x-www-form-urlencoded"),
        ({"preset": "generic", "secret": SECRET}, {}, b"hello", "text/plain"),
        ({"preset": "generic", "secret": SECRET}, {"content_types": ["text/xml"]}, b"<x/>", "text/xml"),
        ({"preset": "generic", "secret": SECRET}, {"content_types": ["text/csv"]}, b"a;b", "text/csv"),
        ({"preset": "zendesk", "secret": SECRET}, {}, b"<x/>", "application/xml"),
    ],
)
def test_the_content_type_is_one_that_fits_and_is_taken(
    verify: dict[str, Any], limits: dict[str, Any], body: bytes, kind: str
) -> None:
    made = endpoint(verify, limits=limits)
    signed = sign(made, body, NOW)
    assert signed.headers["content-type"] == kind
    assert Desk(made).post(signed.body, signed.headers).status_code == 202


def test_an_executor_of_another_method_gets_that() -> None:
    made = endpoint({"preset": "hubspot", "secret": SECRET}, methods=("PUT",))
    signed = sign(made, b"[]", NOW)
    assert signed.method == "PUT"
    assert Desk(made).post(signed.body, signed.headers, method="PUT").status_code == 202
    assert shlex.split(as_curl(PUBLIC_URL, signed))[3] == "PUT"
