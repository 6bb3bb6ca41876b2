"""Senders that sign with a key pair of their own, and one that signs each item of a delivery."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from webhook_kit import NOW, Desk, endpoint

from hub.triggers.webhook.sign import sign

SECONDS = NOW // 1000
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def test_sendgrid_signs_with_p256() -> None:
    public = EC_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    body = b'[{"sg_event_id": "e1", "event": "dropped"}]\r\n'
    signature = base64.b64encode(EC_KEY.sign(str(SECONDS).encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
    name = "X-Twilio-Email-Event-Webhook-"
    headers = {f"{name}Signature": signature, f"{name}Timestamp": str(SECONDS), "content-type": "application/json"}
    desk = Desk(endpoint({"preset": "sendgrid", "secret": base64.b64encode(public).decode()}))
    assert desk.post(body, headers).status_code == 202
    assert (desk.store.events[0].key, desk.store.events[0].type) == ("e1", "dropped")
    assert desk.post(body.strip(), headers).status_code == 401
    assert desk.post(body, headers | {f"{name}Signature": base64.b64encode(b"0" * 70).decode()}).status_code == 401
    desk.clock.ms += 300_001
    assert desk.post(body, headers).status_code == 401


def test_telnyx_signs_with_ed25519() -> None:
    private = Ed25519PrivateKey.generate()
    body = b'{"data": {"id": "1", "event_type": "message.received"}}'
    signature = base64.b64encode(private.sign(f"{SECONDS}|".encode() + body)).decode()
    desk = Desk(
        endpoint({"preset": "telnyx", "secret": base64.b64encode(private.public_key().public_bytes_raw()).decode()})
    )
    headers = {
        "telnyx-signature-ed25519": signature,
        "telnyx-timestamp": str(SECONDS),
        "content-type": "application/json",
    }
    assert desk.post(body, headers).status_code == 202
    assert desk.post(body, headers | {"telnyx-timestamp": str(SECONDS + 1)}).status_code == 401


ITEM = {
    "pspReference": "P1",
    "merchantAccountCode": "M",
    "merchantReference": "a:b\\",
    "amount": {"value": 1000, "currency": "EUR"},
    "eventCode": "AUTHORISATION",
    "success": "true",
}


def _adyen(*items: dict[str, Any]) -> bytes:
    return json.dumps(
        {"live": "false", "notificationItems": [{"NotificationRequestItem": item} for item in items]}
    ).encode()


def test_adyen_signs_every_item() -> None:
    made = endpoint({"preset": "adyen", "secret": "AB" * 32})
    two = sign(made, _adyen(ITEM, {**ITEM, "pspReference": "P2"}), NOW).body
    desk = Desk(made)
    answer = desk.post(two, {"content-type": "application/json"})
    assert (answer.status_code, answer.content) == (202, b"")
    assert desk.store.events[0].key == "P1/AUTHORISATION/true,P2/AUTHORISATION/true"
    content = b"P1::M:a:b\\:1000:EUR:AUTHORISATION:true"
    expected = base64.b64encode(hmac.digest(bytes.fromhex("AB" * 32), content, "sha256")).decode()
    assert (
        json.loads(two)["notificationItems"][0]["NotificationRequestItem"]["additionalData"]["hmacSignature"]
        == expected
    )
    for path in (0, 1):
        document = json.loads(two)
        document["notificationItems"][path]["NotificationRequestItem"]["success"] = "false"
        assert desk.post(json.dumps(document).encode(), {"content-type": "application/json"}).status_code == 401
    for body in (_adyen(ITEM), _adyen(), b"[]", b'{"notificationItems": 7}', b'{"notificationItems": [7]}', b"x"):
        assert desk.post(body, {"content-type": "application/json"}).status_code == 401


def test_adyen_sent_again_with_another_date_is_the_same_delivery() -> None:
    made = endpoint({"preset": "adyen", "secret": "AB" * 32})
    desk = Desk(made)
    for date in ("2023-01-09", "2023-01-10"):
        body = sign(made, _adyen({**ITEM, "eventDate": date}), NOW).body
        assert desk.post(body, {"content-type": "application/json"}).status_code == 202
    assert len(desk.store.events) == 1
