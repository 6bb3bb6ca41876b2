"""Amazon SNS: RSA over lines of key and value, by a certificate that AWS publishes.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html. Anyone can have AWS sign for a topic of
their own, so only the topics that the file names are believed.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from hub.triggers.webhook.documents import Documents
from hub.triggers.webhook.grammar import read_base64, read_moment
from hub.triggers.webhook.request import RawRequest, Refusal, Verdict, Wanted
from hub.triggers.webhook.scheme import Scheme
from hub.triggers.webhook.secrets import BadSecret, Key
from hub.triggers.webhook.verify import Checked, check_window

_HOST = re.compile(r"sns\.[a-z0-9-]{3,30}\.amazonaws\.com(?:\.cn)?")
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}


class SnsVerifier(Checked):
    """Raises BadSecret when no topic is named. `certs` of the file maps addresses to PEM texts, for senders like AWS."""

    def __init__(self, scheme: Scheme, documents: Documents) -> None:
        named = scheme.options.get("topic_arns")
        topics = [named] if isinstance(named, str) else named
        if not isinstance(topics, list) or not topics or not all(isinstance(topic, str) for topic in topics):
            raise BadSecret(
                "sns needs topic_arns, a list of the topics that may send: anyone can have AWS sign for their own"
            )
        certs = scheme.options.get("certs", {})
        if not isinstance(certs, dict):
            raise BadSecret("certs must be a mapping of addresses to certificates in PEM")
        self.scheme = scheme
        self.keys: tuple[Key, ...] = ()
        self._topics = frozenset(topics)
        self._certs = {str(url): str(pem).encode() for url, pem in certs.items()}
        self._documents = documents

    def judge(self, request: RawRequest, now_ms: int, /) -> Verdict:
        message = request.json()
        if not isinstance(message, dict):
            raise Refusal("content", "the body is no SNS message")
        content = _content(message)
        if message.get("TopicArn") not in self._topics:
            raise Refusal("credential", "the topic is not one of topic_arns")
        signature = read_base64(_text(message, "Signature").encode("ascii", "replace"))
        algorithm = {"1": hashes.SHA1, "2": hashes.SHA256}.get(_text(message, "SignatureVersion"))
        if signature is None or algorithm is None:
            raise Refusal("form", "the signature is not base64, or of an unknown version")
        try:
            # SHA-1 is what SNS still signs with unless a topic is told otherwise.
            self._key(_text(message, "SigningCertURL"), now_ms).verify(
                signature, content, padding.PKCS1v15(), algorithm()
            )
        except InvalidSignature:
            raise Refusal("signature", "the signature does not match: the message was changed on its way") from None
        moment = read_moment(_text(message, "Timestamp").encode("ascii", "replace"), "rfc3339")
        if moment is None:
            raise Refusal("form", "the timestamp is not written as SNS writes it")
        check_window(moment, now_ms, self.scheme.tolerance or 3_600_000)
        return Verdict(ok=True, timestamp=moment)

    def _key(self, url: str, now_ms: int) -> rsa.RSAPublicKey:
        if not is_aws_address(url) or not urlsplit(url).path.endswith(".pem"):
            raise Refusal("key", "the certificate's address is not one of AWS")
        wanted = Wanted(url)
        pem = self._certs.get(url) or self._documents.get(wanted, now_ms)
        if pem is None:
            raise Refusal("key", "the certificate could not be fetched", needs=wanted)
        try:
            key = x509.load_pem_x509_certificate(pem).public_key()
        except ValueError:
            raise Refusal("key", "the certificate cannot be read") from None
        if not isinstance(key, rsa.RSAPublicKey):
            raise Refusal("key", "the certificate is not for RSA")
        return key


def is_aws_address(url: str) -> bool:
    """Whether `url` is an https address of SNS itself, and of nothing that only looks like it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and _HOST.fullmatch(parts.netloc) is not None and url.isascii() and url.isprintable()


def _content(message: dict[str, Any]) -> bytes:
    names = _SIGNED.get(_text(message, "Type"))
    if names is None:
        raise Refusal("form", "the message is of an unknown type")
    present = [name for name in names if name != "Subject" or message.get("Subject") is not None]
    return "".join(f"{name}\n{_text(message, name)}\n" for name in present).encode()


def _text(message: dict[str, Any], name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str):
        raise Refusal("content", f"{name} is missing")
    return value
