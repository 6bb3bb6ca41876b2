"""Nothing but the real signature is taken, and nothing that a stranger sends raises."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webhook_kit import NOW, SECRET, Desk, endpoint, secret_of

from hub.triggers.webhook.presets import preset_names
from hub.triggers.webhook.request import RawRequest
from hub.triggers.webhook.sign import sign

BODY = b'{"id": "evt_1", "type": "x", "event_id": "e", "webhookTimestamp": 1, "signature": {}}'
CUSTOM: dict[str, Any] = {
    "type": "hmac",
    "header": "X-Sig",
    "algorithm": "sha512",
    "encoding": "base64",
    "list": {"separator": ",", "key": "v1"},
    "content": "{id}|{timestamp}|{method}|{header:X-Tenant}|{json:id}|{body}",
    "timestamp": {"from": "signature:t", "unit": "ms", "tolerance": "60s"},
    "id": {"from": "header:X-Event-Id", "signed": True},
    "secret": SECRET,
}


def _github(body: bytes = BODY) -> tuple[bytes, bytes]:
    return (b"X-Hub-Signature-256", b"sha256=" + hmac.new(SECRET.encode(), body, "sha256").hexdigest().encode())


GITHUB = {"preset": "github", "secret": SECRET}


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"X-Hub-Signature-256", b"")],
        [(b"X-Hub-Signature-256", b"sha256=")],
        [(b"X-Hub-Signature-256", _github()[1][7:])],
        [(b"X-Hub-Signature-256", _github()[1][:-2])],
        [(b"X-Hub-Signature-256", _github()[1] + b"00")],
        [(b"X-Hub-Signature-256", _github()[1].replace(b"sha256", b"SHA256"))],
        [(b"X-Hub-Signature-256", _github()[1].replace(b"sha256", b"sha512"))],
        [(b"X-Hub-Signature-256", b"sha1=" + hmac.new(SECRET.encode(), BODY, "sha1").hexdigest().encode())],
        [(b"X-Hub-Signature", b"sha1=" + hmac.new(SECRET.encode(), BODY, "sha1").hexdigest().encode())],
        [_github(), (b"X-Hub-Signature-256", b"sha256=" + b"0" * 64)],
        [(b"X-Hub-Signature-256", b"sha256=" + b"0" * 64), _github()],
        [(b"X-Hub-Signature-256", _github()[1] + b", " + _github()[1])],
        [(b"X-Hub-Signature-256", "sha256=é".encode() * 32)],
        [(b"X-Hub-Signature-256", b"sha256=\xff\xfe" + b"0" * 60)],
        [(b"X-Hub-Signature-256", b"sha256=" + hmac.new(b"", BODY, "sha256").hexdigest().encode())],
        [(b"X-Hub-Signature-256", b"sha256=" + base64.b64encode(hmac.digest(SECRET.encode(), BODY, "sha256")))],
        [(b"X-Hub-Signature-256", b"sha256=" + hashlib.sha256(BODY).hexdigest().encode())],
    ],
)
def test_no_other_header_is_taken_for_a_signature(headers: list[tuple[bytes, bytes]]) -> None:
    desk = Desk(endpoint(GITHUB))
    reply = desk.raw(BODY, [(b"content-type", b"application/json"), *headers])
    assert (reply.status, desk.store.events) == (401, [])
    assert b"secret" not in reply.body


@pytest.mark.parametrize(
    "header",
    [_github(), (_github()[0], b" \t" + _github()[1] + b" "), (_github()[0], b"sha256=" + _github()[1][7:].upper())],
)
def test_white_space_around_and_the_case_of_digits_do_not_matter(header: tuple[bytes, bytes]) -> None:
    assert Desk(endpoint(GITHUB)).raw(BODY, [header]).status == 202


def test_the_same_signature_twice_is_one() -> None:
    assert Desk(endpoint(GITHUB)).raw(BODY, [_github(), _github()]).status == 202


@pytest.mark.parametrize(
    "body", [BODY + b"\n", BODY.replace(b'": "', b'":"'), BODY.decode().encode("utf-16"), b"", BODY[:-1]]
)
def test_the_bytes_are_signed_and_not_what_they_mean(body: bytes) -> None:
    assert Desk(endpoint(GITHUB)).raw(body, [_github()]).status == 401


def test_a_signature_of_another_executor_is_not_taken() -> None:
    desk = Desk(endpoint(GITHUB), endpoint({"preset": "github", "secret": "another-secret-of-16-bytes"}, "other-push"))
    assert desk.raw(BODY, [_github()], path="/webhooks/other-push").status == 401
    assert desk.raw(BODY, [_github()], path="/webhooks/erp-push").status == 202


@pytest.mark.parametrize(
    "header",
    [
        "t={t},v1={v},t={u}",
        "v1={v}",
        "t={t},v0={v}",
        "t={t}, v1={v}",
        "t=+{t},v1={v}",
        "t={t};v1={v}",
        "{v}",
        "t={t},v1",
        "t=,v1={v}",
        "t={t},V1={v}",
    ],
)
def test_lists_are_read_to_the_letter(header: str) -> None:
    verify = {"preset": "stripe", "secret": SECRET}
    stamp = NOW // 1000
    digest = hmac.new(SECRET.encode(), b"%d." % stamp + BODY, "sha256").hexdigest()
    desk = Desk(endpoint(verify))
    assert desk.raw(BODY, [(b"Stripe-Signature", f"t={stamp},v1=zz,v1={digest},t={stamp}".encode())]).status == 202
    text = header.format(t=stamp, u=stamp + 1, v=digest)
    assert desk.raw(BODY, [(b"Stripe-Signature", text.encode())]).status == 401


def test_only_sixteen_signatures_are_looked_at() -> None:
    digest = hmac.new(SECRET.encode(), b"%d." % (NOW // 1000) + BODY, "sha256").hexdigest()
    desk = Desk(endpoint({"preset": "stripe", "secret": SECRET}))
    for before, status in ((15, 202), (16, 401)):
        text = f"t={NOW // 1000}," + "v1=00," * before + f"v1={digest}"
        assert desk.raw(BODY, [(b"Stripe-Signature", text.encode())]).status == status


def test_a_value_that_looks_like_a_placeholder_is_not_filled_in() -> None:
    verify = {"type": "hmac", "header": "X-Sig", "content": "{header:X-Tenant}.{body}", "secret": SECRET}
    desk = Desk(endpoint(verify))
    good = hmac.new(SECRET.encode(), b"{body}." + BODY, "sha256").hexdigest().encode()
    filled = hmac.new(SECRET.encode(), BODY + b"." + BODY, "sha256").hexdigest().encode()
    assert desk.raw(BODY, [(b"X-Tenant", b"{body}"), (b"X-Sig", good)]).status == 202
    assert desk.raw(BODY, [(b"X-Tenant", b"{body}"), (b"X-Sig", filled)]).status == 401
    empty = hmac.new(SECRET.encode(), b"." + BODY, "sha256").hexdigest().encode()
    assert desk.raw(BODY, [(b"X-Sig", empty)]).status == 401


def test_numbered_headers_may_each_match() -> None:
    good = base64.b64encode(hmac.digest(SECRET.encode(), BODY, "sha256"))
    desk = Desk(endpoint({"preset": "docusign", "secret": SECRET}))
    assert desk.raw(BODY, [(b"X-DocuSign-Signature-1", b"AAAA"), (b"X-DocuSign-Signature-7", good)]).status == 202
    assert desk.raw(BODY, [(b"X-DocuSign-Signature-101", good)]).status == 401


def test_families_of_headers_are_never_mixed() -> None:
    verify = {"preset": "svix", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    made = endpoint(verify)
    signed = sign(made, BODY, NOW).headers
    desk = Desk(made)
    assert desk.post(BODY, signed).status_code == 202
    assert desk.post(BODY, signed | {"webhook-id": "msg_attacker", "webhook-signature": "v1,AAAA"}).status_code == 202
    assert desk.store.events[0].key == signed["svix-id"]
    mixed = {key: value for key, value in signed.items() if key != "svix-id"} | {"webhook-id": signed["svix-id"]}
    assert desk.post(BODY, mixed).status_code == 401


SIGNABLE = sorted(
    name
    for name in preset_names()
    if name
    not in {
        "none",
        "sns",
        "plaid",
        "oidc",
        "pubsub",
        "discord",
        "discord-events",
        "telnyx",
        "sendgrid",
        "adyen",
        "msgraph",
        "eventgrid",
    }
)


ENDPOINTS = {name: endpoint({"preset": name, "secret": secret_of(name)}) for name in SIGNABLE} | {
    "custom": endpoint({**CUSTOM})
}


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(ENDPOINTS)), st.data())
def test_a_signed_request_with_anything_changed_is_refused(name: str, data: st.DataObject) -> None:
    made = ENDPOINTS[name]
    body = data.draw(st.sampled_from([BODY, b'{"id":1}']))
    extra = {"x-tenant": "acme"}
    if name == "custom":
        stamp = NOW
        identity = "e-1"
        first = b"evt_1" if body == BODY else b"1"
        content = b"|".join([identity.encode(), b"%d" % stamp, b"POST", b"acme", first, body])
        mac = base64.b64encode(hmac.digest(SECRET.encode(), content, "sha512")).decode()
        headers = {"x-sig": f"t={stamp},v1={mac}", "x-event-id": identity} | extra
        query = ""
    else:
        signed = sign(made, body, NOW)
        headers, body, query = dict(signed.headers), signed.body, signed.query
    pairs = [(key.encode(), value.encode()) for key, value in headers.items()]
    url = f"/webhooks/erp-push{query}"
    assert made.verifier.verify(RawRequest("POST", url, pairs, body), NOW).ok
    scheme = made.scheme
    credential = {name for family in scheme.families for name in family.headers} | {b"authorization"}
    proofs = [index for index, (key, value) in enumerate(pairs) if key in credential]
    if not proofs:
        return
    index = data.draw(st.sampled_from(proofs))
    key, value = pairs[index]
    position = data.draw(st.integers(0, len(value) - 1))
    byte = data.draw(st.integers(33, 255))
    changed = value[:position] + bytes([byte]) + value[position + 1 :]
    if changed.lower() == value.lower():
        return
    pairs[index] = (key, changed)
    assert not made.verifier.verify(RawRequest("POST", url, pairs, body), NOW).ok
    if scheme.type in ("hmac", "digest", "twilio"):
        other = data.draw(st.binary(max_size=60).filter(lambda text: text != body))
        pairs[index] = (key, value)
        assert not made.verifier.verify(RawRequest("POST", url, pairs, other), NOW).ok


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(ENDPOINTS)), st.data())
def test_nothing_that_a_stranger_sends_raises_or_is_taken(name: str, data: st.DataObject) -> None:
    made = ENDPOINTS[name]
    names = {name for family in made.scheme.families for name in family.headers} | {b"authorization", b"content-type"}
    for family in made.scheme.families:
        names |= {
            source.name for source in (family.timestamp, *family.id) if source is not None and source.kind == "header"
        }
    values = st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [
                b"t=1,v1=",
                b"v1,AAAA",
                b"sha256=" + b"0" * 64,
                b"Basic Og==",
                b"Bearer x",
                b"1700000000",
                b"application/json",
            ]
        ),
    )
    pairs = data.draw(st.lists(st.tuples(st.sampled_from(sorted(names)), values), max_size=8))
    body = data.draw(st.one_of(st.binary(max_size=60), st.just(BODY)))
    url = data.draw(
        st.sampled_from(
            ["/webhooks/erp-push", "/webhooks/erp-push?bodySHA256=00", "/x?" + "&".join(["a=1"] * 300), "/x?a=%ff%00"]
        )
    )
    verdict = made.verifier.verify(RawRequest("POST", url, pairs, body), NOW)
    assert not verdict.ok
    assert verdict.reason
    assert SECRET not in verdict.reason


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", b"application/json"),
        (b"", b""),
        (b"", b"application/x-www-form-urlencoded"),
        (b"a=1", b"application/x-www-form-urlencoded"),
    ],
)
def test_a_url_that_was_signed_for_one_body_proves_no_other(body: bytes, kind: bytes) -> None:
    made = ENDPOINTS["twilio"]
    signed = sign(made, BODY, NOW)
    headers = [(b"x-twilio-signature", signed.headers["x-twilio-signature"].encode()), (b"content-type", kind)]
    assert not made.verifier.verify(RawRequest("POST", f"/webhooks/erp-push{signed.query}", headers, body), NOW).ok
