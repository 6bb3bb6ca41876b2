"""Amazon SNS: messages that are signed with a certificate, which is fetched; subscriptions that are confirmed."""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from webhook_kit import NOW, Desk, endpoint

from hub.model.clock import iso
from hub.triggers.webhook.documents import Documents
from hub.triggers.webhook.request import Wanted
from hub.triggers.webhook.sns import is_aws_address

RSA_KEY = rsa.generate_private_key(65_537, 2_048)
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
    desk = Desk(endpoint({"preset": "sns", "topic_arns": TOPIC}, documents=documents), documents=documents)
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
