"""Whatever the senders' own libraries sign is taken, and their verdict on a changed request is never kinder than ours is strict."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
import stripe
import svix
from gidgethub import sansio
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.signature import Clock, SignatureVerifier
from standardwebhooks import Webhook
from twilio.request_validator import RequestValidator
from webhook_kit import NOW, endpoint

from hub.triggers.webhook.request import RawRequest, Verdict

MOMENT = datetime.fromtimestamp(NOW / 1000, UTC)
STAMP = str(NOW // 1000)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=16, max_size=60)
KEYS = st.binary(min_size=24, max_size=64).map(lambda raw: base64.b64encode(raw).decode())
IDS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="."), min_size=1, max_size=30)
FIELDS = st.lists(st.tuples(TEXTS.filter(bool), TEXTS), max_size=6)
#: Where Twilio was told to call, and where the hub is; both name the same place.
PLACES = st.sampled_from(
    [
        ("https://hub.example.com", "https://hub.example.com"),
        ("https://hub.example.com:443", "https://hub.example.com"),
        ("https://hub.example.com", "https://hub.example.com:8443"),
        ("http://hub.example.com:80", "http://hub.example.com"),
        ("http://hub.example.com:8080", "http://hub.example.com:8080"),
        ("https://[2001:db8::1]:443", "https://[2001:db8::1]"),
    ]
)


class Still(Clock):
    def now(self) -> float:
        return NOW / 1000


class Form(dict[str, list[str]]):
    """A form as Twilio's library reads it: several values for a name."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        super().__init__()
        for name, value in fields:
            self.setdefault(name, []).append(value)

    def getall(self, name: str) -> list[str]:
        return self[name]


def judged(
    preset: str, secret: object, headers: dict[str, str], body: bytes, url: str = "/webhooks/erp-push"
) -> Verdict:
    made = endpoint({"preset": preset, "secret": secret}, weak=True)
    assert made.verifier is not None
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return made.verifier.verify(RawRequest("POST", url, pairs, body), NOW)


@given(TEXTS, SECRETS)
@settings(max_examples=60, deadline=None)
def test_stripe(text: str, secret: str) -> None:
    digest = stripe.WebhookSignature._compute_signature(f"{STAMP}.{text}", secret)
    assert judged("stripe", secret, {"stripe-signature": f"t={STAMP},v1={digest},v0={'0' * 64}"}, text.encode()).ok
    assert judged("stripe", ["x" * 20, secret], {"stripe-signature": f"v1={digest},t={STAMP}"}, text.encode()).ok


@given(TEXTS, KEYS, IDS, st.booleans())
@settings(max_examples=60, deadline=None)
def test_standard_webhooks(text: str, key: str, identity: str, prefixed: bool) -> None:
    secret = f"whsec_{key}" if prefixed else key
    headers = {"webhook-id": identity, "webhook-timestamp": STAMP}
    headers["webhook-signature"] = Webhook(secret).sign(identity, MOMENT, text)
    assert judged("standardwebhooks", secret, headers, text.encode()).ok
    assert judged("standardwebhooks", secret.rstrip("="), headers, text.encode()).ok
    theirs = {"svix-id": identity, "svix-timestamp": STAMP}
    theirs["svix-signature"] = svix.Webhook(secret).sign(identity, MOMENT, text)
    assert judged("svix", secret, theirs, text.encode()).ok
    assert judged("svix", secret, headers, text.encode()).ok


@given(TEXTS, SECRETS)
@settings(max_examples=60, deadline=None)
def test_slack(text: str, secret: str) -> None:
    signature = SignatureVerifier(secret, Still()).generate_signature(timestamp=STAMP, body=text)
    assert signature is not None
    headers = {"x-slack-request-timestamp": STAMP, "x-slack-signature": signature}
    assert judged("slack", secret, headers, text.encode()).ok


@given(FIELDS, SECRETS, PLACES, st.sampled_from(["", "?a=1", "?a=b%20c&d=%C3%A9", "?x"]))
@settings(max_examples=100, deadline=None)
def test_twilio(fields: list[tuple[str, str]], secret: str, places: tuple[str, str], query: str) -> None:
    called, here = places
    signature = RequestValidator(secret).compute_signature(f"{called}/webhooks/erp-push{query}", Form(fields))
    made = endpoint({"preset": "twilio", "secret": secret}, public_url=here, weak=True)
    assert made.verifier is not None
    headers = [(b"content-type", b"application/x-www-form-urlencoded"), (b"x-twilio-signature", signature.encode())]
    url = f"/webhooks/erp-push{query}"
    assert made.verifier.verify(RawRequest("POST", url, headers, urlencode(fields).encode()), NOW).ok
    more = urlencode([*fields, ("Another", "field")]).encode()
    assert not made.verifier.verify(RawRequest("POST", url, headers, more), NOW).ok


CHANGES = ["{}", "{} ", " {}", "{}0", "0{}", "sha1={}", '"{}"', "{},{}", "é{}", "{}=", "\t{}"]


@pytest.mark.parametrize("change", CHANGES)
@given(TEXTS)
@settings(max_examples=10, deadline=None)
def test_what_githubs_library_takes_is_taken_and_white_space_besides(change: str, text: str) -> None:
    secret = "a-secret-of-enough-bytes-000000"
    body = text.encode()
    signature = change.replace("{}", "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest())
    try:
        sansio.validate_event(body, signature=signature, secret=secret)
        theirs = True
    except Exception:
        theirs = False
    ours = judged("github", secret, {"x-hub-signature-256": signature}, body).ok
    assert ours == theirs or (ours and signature != signature.strip(" \t"))
