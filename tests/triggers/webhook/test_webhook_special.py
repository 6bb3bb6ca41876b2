"""Checks with code of their own: Adyen, SNS, tokens of OpenID providers, Plaid, SendGrid, Telnyx."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from webhook_kit import NOW, Desk, endpoint

from hub.model.clock import iso
from hub.triggers.webhook.documents import BETWEEN, KEPT, Documents
from hub.triggers.webhook.request import Wanted
from hub.triggers.webhook.sign import sign
from hub.triggers.webhook.sns import is_aws_address

SECONDS = NOW // 1000
RSA_KEY = rsa.generate_private_key(65_537, 2_048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def _jwk(key: Any, kid: str) -> dict[str, Any]:
    algorithm = (
        jwt.algorithms.ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else jwt.algorithms.RSAAlgorithm
    )
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid}


# --- SNS -------------------------------------------------------------------------------------------------------------

CERT_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:orders"


def _certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    begin = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, RSA_KEY.public_key(), 1, begin, begin + dt.timedelta(days=36_500))
    return builder.sign(RSA_KEY, hashes.SHA256()).public_bytes(Encoding.PEM)


CERTIFICATE = _certificate()


def _message(kind: str = "Notification", version: str = "2", **changes: str) -> bytes:
    message = {
        "Type": kind,
        "MessageId": "m-1",
        "TopicArn": TOPIC,
        "Message": "hello\nworld",
        "Timestamp": iso(NOW),
        "SignatureVersion": version,
        "SigningCertURL": CERT_URL,
    }
    if kind == "Notification":
        names = ["Message", "MessageId", "Timestamp", "TopicArn", "Type"]
    else:
        message |= {"Token": "t", "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"}
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    message |= {key: value for key, value in changes.items() if key.startswith("before_") is False}
    if "Subject" in message:
        names = sorted([*names, "Subject"])
    content = "".join(f"{name}\n{message[name]}\n" for name in names).encode()
    algorithm = hashes.SHA256() if version == "2" else hashes.SHA1()
    message["Signature"] = base64.b64encode(RSA_KEY.sign(content, padding.PKCS1v15(), algorithm)).decode()
    return json.dumps(message).encode()


def _sns(**options: Any) -> Desk:
    verify = {"preset": "sns", "topic_arns": [TOPIC], "certs": {CERT_URL: CERTIFICATE.decode()}}
    return Desk(endpoint(verify), **options)


SNS_HEADERS = {"content-type": "text/plain; charset=UTF-8"}


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", [{}, {"Subject": "hi"}])
def test_sns_messages_are_taken_by_either_version(version: str, subject: dict[str, str]) -> None:
    desk = _sns()
    assert desk.post(_message(version=version, **subject), SNS_HEADERS).status_code == 202
    event = desk.store.events[0]
    assert (event.key, event.type) == ("m-1", "Notification")
    assert "body" not in event.payload


def _changed(name: str, value: Any) -> bytes:
    message = json.loads(_message())
    message[name] = value
    return json.dumps(message).encode()


FOREIGN = [
    _changed("Message", "other"),
    _changed("MessageId", "m-2"),
    _changed("Subject", "added"),
    _changed("Timestamp", iso(NOW + 1)),
    _changed("Signature", "AAAA"),
    _changed("Signature", None),
    _changed("SignatureVersion", "3"),
    _changed("SignatureVersion", "1"),
    _changed("Type", "Other"),
    _changed("SigningCertURL", "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem"),
    _changed("SigningCertURL", 7),
    _message(TopicArn="arn:aws:sns:eu-west-1:999999999999:theirs"),
    _message(Timestamp="yesterday"),
    _message(Timestamp=iso(NOW - 3_600_001)),
    _message(Timestamp=iso(NOW + 3_600_001)),
    b"[]",
    b"not json",
    b'{"Type": "Notification", "Type": "Notification"}',
]


# Numbered: the messages are signed with a key of this run alone.
@pytest.mark.parametrize("body", FOREIGN, ids=[str(number) for number in range(len(FOREIGN))])
def test_sns_messages_that_are_not_ours_are_refused(body: bytes) -> None:
    desk = _sns()
    assert desk.post(body, SNS_HEADERS).status_code == 401
    assert desk.store.events == []


@pytest.mark.parametrize(
    ("url", "good"),
    [
        (CERT_URL, True),
        ("https://sns.cn-north-1.amazonaws.com.cn/x.pem", True),
        ("http://sns.eu-west-1.amazonaws.com/x.pem", False),
        ("https://sns.eu-west-1.amazonaws.com:8443/x.pem", False),
        ("https://user@sns.eu-west-1.amazonaws.com/x.pem", False),
        ("https://sns.eu-west-1.amazonaws.com.evil.example/x.pem", False),
        ("https://evil.example/sns.eu-west-1.amazonaws.com/x.pem", False),
        ("https://s3.amazonaws.com/sns.eu-west-1.amazonaws.com/x.pem", False),
        ("https://sns.evil.com.amazonaws.com/x.pem", False),
        ("https://[", False),
        ("https://sns.eu-west-1.amazonaws.com\\@evil.example/x.pem", False),
    ],
)
def test_only_sns_itself_is_asked(url: str, good: bool) -> None:
    assert is_aws_address(url) is good


def test_sns_certificates_are_fetched_once() -> None:
    asked: list[str] = []

    async def fetch(wanted: Wanted) -> bytes:
        asked.append(wanted.url)
        return CERTIFICATE

    documents = Documents(fetch)
    made = endpoint({"preset": "sns", "topic_arns": [TOPIC]}, documents=documents)
    desk = Desk(made, documents=documents)
    body = _message()
    assert [desk.post(body, SNS_HEADERS).status_code for _ in range(3)] == [202, 202, 202]
    assert asked == [CERT_URL]


def test_a_certificate_that_cannot_be_fetched_asks_to_come_again() -> None:
    async def fetch(_wanted: Wanted) -> bytes:
        raise OSError("no route")

    documents = Documents(fetch)
    desk = Desk(endpoint({"preset": "sns", "topic_arns": [TOPIC]}, documents=documents), documents=documents)
    answer = desk.post(_message(), SNS_HEADERS)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")


def test_sns_subscriptions_are_confirmed_through_the_door_that_is_given() -> None:
    confirmed: list[str] = []

    async def confirm(url: str) -> None:
        confirmed.append(url)

    desk = _sns(confirm=confirm)
    assert desk.post(_message("SubscriptionConfirmation"), SNS_HEADERS).status_code == 200
    assert confirmed == ["https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"]
    assert (
        desk.post(
            _message("SubscriptionConfirmation", SubscribeURL="https://169.254.169.254/"), SNS_HEADERS
        ).status_code
        == 401
    )
    assert desk.post(_message("SubscriptionConfirmation", TopicArn="arn:theirs"), SNS_HEADERS).status_code == 401
    assert desk.post(_message("UnsubscribeConfirmation"), SNS_HEADERS).status_code == 200
    assert len(confirmed) == 1
    assert desk.store.events == []


# --- tokens ----------------------------------------------------------------------------------------------------------

CLAIMS = {
    "iss": "https://issuer.example",
    "aud": "https://hub.example.com/webhooks/erp-push",
    "iat": SECONDS,
    "exp": SECONDS + 3_600,
    "email": "push@example.com",
    "email_verified": True,
}
OIDC = {
    "preset": "oidc",
    "issuer": "https://issuer.example",
    "audience": CLAIMS["aud"],
    "email": "push@example.com",
    "keys": [_jwk(RSA_KEY, "k1"), _jwk(EC_KEY, "k2")],
}


def _bearer(claims: dict[str, Any], key: Any = RSA_KEY, algorithm: str = "RS256", kid: str = "k1") -> dict[str, str]:
    # Not `jwt.encode`: it is too careful to write claims of the wrong type.
    token = jwt.PyJWS().encode(json.dumps(claims).encode(), key, algorithm, headers={"kid": kid, "typ": "JWT"})
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    "headers",
    [_bearer(CLAIMS), _bearer({**CLAIMS, "aud": ["x", CLAIMS["aud"]]}), _bearer(CLAIMS, EC_KEY, "ES256", "k2")],
)
def test_tokens_of_the_named_issuer_are_taken(headers: dict[str, str]) -> None:
    assert Desk(endpoint(OIDC)).post(b"{}", headers).status_code == 202


def _none_token() -> dict[str, str]:
    return {"authorization": f"Bearer {jwt.encode(CLAIMS, None, 'none', headers={'kid': 'k1'})}"}


def _confused_token() -> dict[str, str]:
    """HS256 with the public key as the secret; made by hand, for the library refuses to."""
    public = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "kid": "k1"}, CLAIMS)
    ]
    mac = base64.urlsafe_b64encode(hmac.digest(public, b".".join(parts), "sha256")).rstrip(b"=")
    return {"authorization": "Bearer " + b".".join([*parts, mac]).decode()}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer x.y.z"},
        {"authorization": "Bearer"},
        {"authorization": _bearer(CLAIMS)["authorization"].replace("Bearer", "Basic")},
        {"authorization": _bearer(CLAIMS)["authorization"][:-6] + "AAAAAA"},
        _none_token(),
        _confused_token(),
        _bearer(CLAIMS, rsa.generate_private_key(65_537, 2_048)),
        _bearer(CLAIMS, kid="k3"),
        _bearer(CLAIMS, kid="k2"),
        _bearer({**CLAIMS, "iss": "https://other.example"}),
        _bearer({**CLAIMS, "iss": None}),
        _bearer({**CLAIMS, "iss": [CLAIMS["iss"]]}),
        _bearer({**CLAIMS, "iss": {}}),
        _bearer({**CLAIMS, "aud": [{}]}),
        _bearer({**CLAIMS, "aud": {}}),
        _bearer({**CLAIMS, "aud": "https://other.example"}),
        _bearer({**CLAIMS, "email": "other@example.com"}),
        _bearer({**CLAIMS, "email_verified": "true"}),
        _bearer({**CLAIMS, "exp": SECONDS - 61}),
        _bearer({**CLAIMS, "exp": "tomorrow"}),
        _bearer({**CLAIMS, "nbf": SECONDS + 61}),
        _bearer({key: value for key, value in CLAIMS.items() if key != "exp"}),
        _bearer({key: value for key, value in CLAIMS.items() if key != "aud"}),
    ],
)
def test_all_other_tokens_are_refused(headers: dict[str, str]) -> None:
    desk = Desk(endpoint(OIDC))
    assert desk.post(b"{}", headers).status_code == 401
    assert desk.store.events == []


@pytest.mark.parametrize("change", [{"alg": "RS512"}, {"alg": "HS256"}, {"kty": "oct", "k": "AAAA"}, {"n": "!"}])
def test_a_key_is_used_for_its_own_algorithm_alone(change: dict[str, str]) -> None:
    verify = {**OIDC, "keys": [{**_jwk(RSA_KEY, "k1"), **change}]}
    assert Desk(endpoint(verify)).post(b"{}", _bearer(CLAIMS)).status_code == 401


def test_a_shared_secret_signs_tokens_too() -> None:
    secret = "0123456789abcdef0123456789abcdef"
    desk = Desk(endpoint({"type": "jwt", "issuer": CLAIMS["iss"], "audience": CLAIMS["aud"], "secret": secret}))
    assert desk.post(b"{}", _bearer(CLAIMS, secret, "HS256")).status_code == 202
    assert desk.post(b"{}", _bearer(CLAIMS, secret[::-1], "HS256")).status_code == 401
    assert desk.post(b"{}", _bearer(CLAIMS, secret + secret, "HS512")).status_code == 401


def test_key_sets_are_fetched_and_an_unknown_key_is_looked_for_once_a_minute() -> None:
    asked: list[str] = []

    async def fetch(wanted: Wanted) -> bytes:
        asked.append(wanted.url)
        return json.dumps({"keys": [_jwk(RSA_KEY, "k1")]}).encode()

    documents = Documents(fetch)
    verify = {key: value for key, value in OIDC.items() if key != "keys"} | {"jwks_url": "https://issuer.example/keys"}
    desk = Desk(endpoint(verify, documents=documents), documents=documents)
    assert desk.post(b"{}", _bearer(CLAIMS)).status_code == 202
    for _ in range(3):
        assert desk.post(b"{}", _bearer(CLAIMS, kid="gone")).status_code == 401
    assert len(asked) == 1
    desk.clock.ms += BETWEEN
    assert desk.post(b"{}", _bearer({**CLAIMS, "exp": SECONDS + 9_999}, kid="gone")).status_code == 401
    assert len(asked) == 2
    desk.clock.ms += KEPT
    assert desk.post(b"{}", _bearer({**CLAIMS, "exp": SECONDS + 99_999})).status_code == 202
    assert len(asked) == 3


def test_documents_are_few_small_and_never_raise() -> None:
    async def fetch(wanted: Wanted) -> bytes:
        return b"x" * 65_537 if wanted.url.endswith("large") else b"x"

    async def story() -> list[bool]:
        documents = Documents(fetch)
        large = await documents.load(Wanted("https://a/large"), NOW)
        many = [await documents.load(Wanted(f"https://a/{number}"), NOW) for number in range(30)]
        assert await Documents().load(Wanted("https://a/1"), NOW) is False
        return [large, *many]

    loaded = asyncio.run(story())
    assert loaded[0] is False
    assert sum(loaded) == 19


def _plaid(body: bytes, **claims: Any) -> dict[str, str]:
    digest = hashlib.sha256(body).hexdigest()
    token = jwt.encode({"iat": SECONDS, "request_body_sha256": digest} | claims, EC_KEY, "ES256", headers={"kid": "k2"})
    return {"plaid-verification": token, "content-type": "application/json"}


def test_plaid_signs_the_bodys_hash() -> None:
    body = b'{"webhook_type": "ITEM", "webhook_code": "ERROR"}'
    desk = Desk(endpoint({"preset": "plaid", "keys": [_jwk(EC_KEY, "k2"), _jwk(RSA_KEY, "k1")]}))
    assert desk.post(body, _plaid(body)).status_code == 202
    assert desk.store.events[0].type == "ITEM.ERROR"
    for sent, headers in (
        (body + b" ", _plaid(body)),
        (body, _plaid(body, iat=SECONDS - 301)),
        (body, _plaid(body, iat=SECONDS + 301)),
        (body, _plaid(body, iat="now")),
        (body, _plaid(body, request_body_sha256=7)),
        (
            body,
            {
                "plaid-verification": jwt.encode(
                    {"iat": SECONDS, "request_body_sha256": hashlib.sha256(body).hexdigest()},
                    RSA_KEY,
                    "RS256",
                    headers={"kid": "k1"},
                )
            },
        ),
        (body, {"plaid-verification": "x"}),
        (body, {}),
    ):
        assert desk.post(sent, headers).status_code == 401


def test_plaids_keys_are_asked_for_with_the_accounts_credentials() -> None:
    asked: list[Wanted] = []

    async def fetch(wanted: Wanted) -> bytes:
        asked.append(wanted)
        return json.dumps({"key": {**_jwk(EC_KEY, "k2"), "expired_at": None}}).encode()

    documents = Documents(fetch)
    verify = {"preset": "plaid", "client_id": "client", "secret": "plaid-secret", "environment": "sandbox"}
    desk = Desk(endpoint(verify, documents=documents), documents=documents)
    assert desk.post(b"{}", _plaid(b"{}")).status_code == 202
    assert asked[0].url == "https://sandbox.plaid.com/webhook_verification_key/get"
    assert json.loads(asked[0].body) == {"client_id": "client", "secret": "plaid-secret", "key_id": "k2"}
    assert "plaid-secret" not in repr(asked[0])


# --- public keys and items -------------------------------------------------------------------------------------------


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
