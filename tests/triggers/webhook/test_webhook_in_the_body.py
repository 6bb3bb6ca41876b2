"""Senders whose proof stands in the body, or is a plain hash: Mailgun, Adyen's payments, and HubSpot's two older ways."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from webhook_kit import NOW, PUBLIC_URL, SECRET, Desk, endpoint

STAMP = NOW // 1000
TOKEN = "e0b5477167110d68991efc6b9f89f0a11066af27834600e123"
JSON = {"content-type": "application/json"}
ADYEN_KEY = bytes(range(32))
ITEM = {
    "pspReference": "P1",
    "originalReference": "",
    "merchantAccountCode": "Shop",
    "merchantReference": "order:1\\2",
    "amount": {"value": 1000, "currency": "EUR"},
    "eventCode": "AUTHORISATION",
    "success": "true",
}


def mailgun(stamp: object = str(STAMP), token: object = TOKEN, **event: Any) -> dict[str, Any]:
    signature = hmac.new(SECRET.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    return {"signature": {"timestamp": stamp, "token": token, "signature": signature}, "event-data": event}


def taken(desk: Desk, value: Any) -> int:
    return desk.post(value if isinstance(value, bytes) else json.dumps(value).encode(), JSON).status_code


def test_mailgun_s_token_is_used_once_and_proves_nothing_of_the_event() -> None:
    desk = Desk(endpoint({"preset": "mailgun", "secret": SECRET}))
    assert taken(desk, mailgun(event="delivered")) == 200
    assert taken(desk, mailgun(event="delivered")) == 200, "the same delivery again"
    assert taken(desk, mailgun(event="failed")) == 409, "its token, with another event"
    assert (len(desk.store.events), desk.store.events[0].key) == (1, TOKEN)
    assert taken(desk, mailgun(stamp=STAMP)) == 409, "a number is signed like its digits"


@pytest.mark.parametrize("off", [900, -900])
def test_mailgun_s_time_holds_for_a_quarter_of_an_hour(off: int) -> None:
    desk = Desk(endpoint({"preset": "mailgun", "secret": SECRET}))
    assert taken(desk, mailgun(str(STAMP + off))) == 200
    desk.clock.ms -= 1 if off > 0 else -1
    assert taken(desk, mailgun(str(STAMP + off), "another")) == 401


GOOD = mailgun()["signature"]
FORGED: list[Any] = [
    {},
    [],
    {"signature": None},
    {"signature": "x"},
    {"signature": {**GOOD, "signature": "00" * 32}},
    {"signature": {**GOOD, "signature": GOOD["signature"][:-2]}},
    {"signature": {**GOOD, "signature": None}},
    {"signature": {**GOOD, "signature": [GOOD["signature"]]}},
    {"signature": {**GOOD, "token": TOKEN[:-1]}},
    {"signature": {**GOOD, "token": None}},
    {"signature": {**GOOD, "timestamp": str(STAMP + 1)}},
    {"signature": {**GOOD, "timestamp": str(STAMP)[:-1], "token": str(STAMP)[-1] + TOKEN}},
    {"signature": {**GOOD, "timestamp": f"{STAMP}e", "token": TOKEN[1:]}},
    mailgun(f"{STAMP}.0"),
    mailgun(f" {STAMP}"),
    mailgun(float(STAMP)),
    mailgun(True),
    b'{"signature": {}, "signature": ' + json.dumps(GOOD).encode() + b"}",
    b"timestamp=1&token=2&signature=3",
]


@pytest.mark.parametrize("value", FORGED)
def test_what_mailgun_did_not_sign_is_refused(value: Any) -> None:
    desk = Desk(endpoint({"preset": "mailgun", "secret": SECRET}))
    assert (taken(desk, value), desk.store.events) == (401, [])


def adyen(item: dict[str, Any], key: bytes = ADYEN_KEY) -> dict[str, Any]:
    amount = item.get("amount") or {}
    fields = [
        item.get(name) for name in ("pspReference", "originalReference", "merchantAccountCode", "merchantReference")
    ]
    fields += [amount.get("value"), amount.get("currency"), item.get("eventCode"), item.get("success")]
    content = ":".join("" if field is None else str(field) for field in fields).encode()
    mac = base64.b64encode(hmac.digest(key, content, "sha256")).decode()
    return {**item, "additionalData": {"hmacSignature": mac, "free": "text"}}


def batch(*items: dict[str, Any]) -> dict[str, Any]:
    return {"live": "true", "notificationItems": [{"NotificationRequestItem": item} for item in items]}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pspReference", "P2"),
        ("originalReference", "O"),
        ("merchantAccountCode", "Other"),
        ("merchantReference", "order:1"),
        ("amount", {"value": 1001, "currency": "EUR"}),
        ("amount", {"value": 1000, "currency": "USD"}),
        ("amount", None),
        ("eventCode", "REFUND"),
        ("success", "false"),
        ("success", None),
    ],
)
def test_each_of_adyen_s_eight_fields_is_signed_in_every_item(field: str, value: Any) -> None:
    desk = Desk(endpoint({"preset": "adyen", "secret": ADYEN_KEY.hex()}))
    good = adyen(ITEM)
    changed = {**good, field: value}
    for forged in (batch(changed), batch(good, changed), batch(changed, good), changed):
        assert taken(desk, forged) == 401
    assert taken(desk, batch(good, adyen({**ITEM, field: value}))) == 202, "signed as it is"


def test_adyen_s_key_is_the_bytes_and_a_list_of_them_is_rotated() -> None:
    old = {"preset": "adyen", "secret": ["44" * 32, ADYEN_KEY.hex().upper()]}
    assert taken(Desk(endpoint(old)), batch(adyen(ITEM))) == 202
    digits = adyen(ITEM, ADYEN_KEY.hex().encode())
    assert taken(Desk(endpoint({"preset": "adyen", "secret": ADYEN_KEY.hex()})), batch(digits)) == 401
    mixed = batch(adyen(ITEM), adyen({**ITEM, "pspReference": "P2"}, bytes.fromhex("44" * 32)))
    assert taken(Desk(endpoint(old)), mixed) == 202


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_hubspot_s_older_ways_are_plain_hashes_of_the_version_that_is_named(version: str) -> None:
    body = b'[{"eventId": 1, "occurredAt": 2}]'
    signed = body if version == "v1" else b"POST" + f"{PUBLIC_URL}/webhooks/erp-push".encode() + body
    digest = hashlib.sha256(SECRET.encode() + signed).hexdigest()
    headers = JSON | {"X-HubSpot-Signature": digest, "X-HubSpot-Signature-Version": version}
    desk = Desk(endpoint({"preset": f"hubspot-{version}", "secret": SECRET}))
    for changed in (
        {"X-HubSpot-Signature-Version": "v3"},
        {"X-HubSpot-Signature-Version": "v2" if version == "v1" else "v1"},
        {"X-HubSpot-Signature-Version": ""},
        {"X-HubSpot-Signature": hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()},
        {"X-HubSpot-Signature": hashlib.sha256(signed).hexdigest()},
        {"X-HubSpot-Signature": ""},
    ):
        assert desk.post(body, headers | changed).status_code == 401, changed
    assert desk.post(body + b" ", headers).status_code == 401
    assert desk.store.events == []
    assert desk.post(body, headers).status_code == 202
    assert Desk(endpoint({"preset": "hubspot", "secret": SECRET})).post(body, headers).status_code == 401
