"""Requests signed by the senders' own libraries are taken; changed ones are not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
import stripe
import svix
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gidgethub import sansio
from slack_sdk.signature import Clock, SignatureVerifier
from standardwebhooks import Webhook
from twilio.request_validator import RequestValidator
from webhook_kit import NOW, PUBLIC_URL, SECRET, Desk, endpoint

STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MOMENT = datetime.fromtimestamp(NOW / 1000, UTC)
BODY = json.dumps(
    {"type": "invoice.paid", "id": "evt_1", "event_id": "Ev1", "text": "grüße"}, ensure_ascii=False
).encode()


def _standard() -> tuple[dict[str, Any], bytes, dict[str, str]]:
    signature = Webhook(STANDARD_SECRET).sign("msg_1", MOMENT, BODY.decode())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(NOW // 1000), "webhook-signature": signature}
    return {"preset": "standardwebhooks", "secret": STANDARD_SECRET}, BODY, headers


def _svix(preset: str) -> tuple[dict[str, Any], bytes, dict[str, str]]:
    signature = svix.Webhook(STANDARD_SECRET).sign("msg_1", MOMENT, BODY.decode())
    headers = {"svix-id": "msg_1", "svix-timestamp": str(NOW // 1000), "svix-signature": signature}
    return {"preset": preset, "secret": STANDARD_SECRET}, BODY, headers


def _stripe() -> tuple[dict[str, Any], bytes, dict[str, str]]:
    digest = stripe.WebhookSignature._compute_signature(f"{NOW // 1000}.{BODY.decode()}", "whsec_test_secret_long")
    return (
        {"preset": "stripe", "secret": "whsec_test_secret_long"},
        BODY,
        {"stripe-signature": f"t={NOW // 1000},v1={digest},v0=00"},
    )


def _slack() -> tuple[dict[str, Any], bytes, dict[str, str]]:
    class Still(Clock):
        def now(self) -> float:
            return NOW / 1000

    signature = SignatureVerifier(SECRET, Still()).generate_signature(timestamp=str(NOW // 1000), body=BODY)
    assert signature is not None
    return (
        {"preset": "slack", "secret": SECRET},
        BODY,
        {"x-slack-signature": signature, "x-slack-request-timestamp": str(NOW // 1000)},
    )


def _github() -> tuple[dict[str, Any], bytes, dict[str, str]]:
    signature = "sha256=" + hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()
    sansio.validate_event(BODY, signature=signature, secret=SECRET)
    return (
        {"preset": "github", "secret": SECRET},
        BODY,
        {"x-hub-signature-256": signature, "x-github-event": "push", "x-github-delivery": "d-1"},
    )


def _twilio_form() -> tuple[dict[str, Any], bytes, dict[str, str]]:
    fields = {"From": "+1415", "Body": "héllo & welcome", "Digits": ["2", "1", "2"]}

    class Many(dict[str, Any]):
        def getall(self, name: str) -> list[str]:
            return self[name] if isinstance(self[name], list) else [self[name]]

    signature = RequestValidator(SECRET).compute_signature(f"{PUBLIC_URL}/webhooks/erp-push", Many(fields))
    headers = {"x-twilio-signature": signature, "content-type": "application/x-www-form-urlencoded"}
    return {"preset": "twilio", "secret": SECRET}, urlencode(fields, doseq=True).encode(), headers


CASES = {
    "standardwebhooks": _standard,
    "svix": lambda: _svix("svix"),
    "clerk": lambda: _svix("clerk"),
    "stripe": _stripe,
    "slack": _slack,
    "github": _github,
    "twilio": _twilio_form,
}


@pytest.mark.parametrize("name", CASES)
def test_a_request_signed_by_the_senders_library_is_taken(name: str) -> None:
    verify, body, headers = CASES[name]()
    desk = Desk(endpoint(verify))
    answer = desk.post(body, {"content-type": "application/json"} | headers)
    assert answer.status_code == 202, answer.text
    assert desk.store.events[0].body == body


@pytest.mark.parametrize("name", CASES)
def test_the_same_request_is_refused_with_another_secret_body_or_signature(name: str) -> None:
    verify, body, headers = CASES[name]()
    headers = {"content-type": "application/json"} | headers
    other = {
        **verify,
        "secret": "whsec_AAKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" if "whsec_Mf" in verify["secret"] else SECRET[::-1],
    }
    signature = next(key for key in headers if "signature" in key)
    changed = headers[signature]
    flipped = (
        changed[:-8] + ("A" if changed[-8] != "A" else "B") + changed[-7:]
        if name != "stripe"
        else changed.replace("v1=", "v1=0")
    )
    for desk, sent, given in (
        (Desk(endpoint(other)), body, headers),
        (Desk(endpoint(verify)), body + b"\n" if name != "twilio" else body + b"&x=1", headers),
        (Desk(endpoint(verify)), body, {**headers, signature: flipped}),
        (Desk(endpoint(verify)), body, {key: value for key, value in headers.items() if key != signature}),
        (Desk(endpoint(verify)), body, {**headers, signature: ""}),
    ):
        answer = desk.post(sent, given)
        assert (answer.status_code, desk.store.events) == (401, [])


@pytest.mark.parametrize("name", ["standardwebhooks", "svix", "stripe", "slack"])
@pytest.mark.parametrize(
    ("off", "status"), [(0, 202), (300_000, 202), (-300_000, 202), (300_001, 401), (-300_001, 401)]
)
def test_signed_times_hold_for_five_minutes_on_either_side(name: str, off: int, status: int) -> None:
    verify, body, headers = CASES[name]()
    desk = Desk(endpoint(verify))
    desk.clock.ms += off
    assert desk.post(body, {"content-type": "application/json"} | headers).status_code == status


def test_either_of_two_secrets_matches_while_they_are_rotated() -> None:
    _, body, headers = _github()
    old = Desk(endpoint({"preset": "github", "secret": ["the-new-secret-of-this-year", SECRET]}))
    gone = Desk(endpoint({"preset": "github", "secret": ["the-new-secret-of-this-year"]}))
    assert old.post(body, headers).status_code == 202
    assert gone.post(body, headers).status_code == 401


def test_standard_webhooks_by_public_key_stand_under_v1a_only() -> None:
    private = Ed25519PrivateKey.generate()
    public = "whpk_" + base64.b64encode(private.public_key().public_bytes_raw()).decode()
    signature = base64.b64encode(private.sign(b"msg_1.%d." % (NOW // 1000) + BODY)).decode()
    desk = Desk(endpoint({"preset": "standardwebhooks", "secret": [STANDARD_SECRET, public]}))
    base = {"webhook-id": "msg_1", "webhook-timestamp": str(NOW // 1000)}
    assert desk.post(BODY, base | {"webhook-signature": f"v1a,{signature}"}).status_code == 202
    assert desk.post(BODY, base | {"webhook-signature": f"v1,{signature}"}).status_code == 401
