"""Secrets as the keys that a scheme computes with. They live here and in the Endpoint, and are never shown."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from hub.triggers.webhook.grammar import read_base64, read_hex
from hub.triggers.webhook.scheme import LEAST_SECRET, MOST_SECRETS, Scheme

Check = Callable[[bytes, Sequence[bytes]], bool]

_SIZES = {"sha1": 20, "sha256": 32, "sha512": 64}
_HASHES: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha512": hashes.SHA512,
}
_ED25519_KEY = 32
_ED25519_SIGNATURE = 64

#: Published in documentation, so known to everyone: Zendesk's builder tests.
_PUBLISHED = frozenset({hashlib.sha256(b"dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==").hexdigest()})


class BadSecret(Exception):
    """A secret that a scheme cannot work with. Its text says why, and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class Key:
    """One secret, ready to check signatures with."""

    #: Whether any of the decoded signatures is right for the content. All are compared, whatever the first one says.
    check: Check = field(repr=False)
    #: Length that a decoded signature must have; None when it varies (ECDSA in DER).
    size: int | None
    #: The list key under which its signatures stand, where that differs from the scheme's; else None.
    tag: bytes | None = None
    #: The key's bytes: to sign test requests and Zoom's handshake; b"" for a public key.
    raw: bytes = field(default=b"", repr=False)


#: What is said of a secret that can be guessed.
SHORT_SECRET = f"the secret is shorter than {LEAST_SECRET} bytes: have the sender make a longer one"


def secret_list(value: object) -> list[str]:
    """One secret or a list of up to four, newest first. Raises BadSecret."""
    secrets = [value] if isinstance(value, str) else value
    if not isinstance(secrets, list) or not secrets or not all(isinstance(item, str) for item in secrets):
        raise BadSecret("secret must be a text, or a list of texts while it is rotated")
    if len(secrets) > MOST_SECRETS:
        raise BadSecret(f"secret holds more than {MOST_SECRETS} values: take out the ones that are no longer used")
    return list(secrets)


def check_strength(raw: bytes, *, published: bytes | None = None) -> None:
    """Raise BadSecret for a secret that is empty, short, or printed in somebody's documentation."""
    if not raw:
        raise BadSecret("the secret is empty: anybody could sign with it")
    if hashlib.sha256(published or raw).hexdigest() in _PUBLISHED:
        raise BadSecret("the secret is one that the sender's documentation publishes: have the sender make a real one")
    if len(raw) < LEAST_SECRET:
        raise BadSecret(SHORT_SECRET)


def make_keys(scheme: Scheme, secrets: Sequence[str], *, weak: bool = False) -> tuple[Key, ...]:
    """The keys of a signing scheme. Raises BadSecret. `weak` skips the test of strength, not that of emptiness."""
    return tuple(_make_key(scheme, secret, weak=weak) for secret in secrets)


def _make_key(scheme: Scheme, secret: str, *, weak: bool) -> Key:
    if scheme.type == "ed25519":
        return _ed25519(_decode(scheme, secret))
    if scheme.type == "ecdsa_p256":
        return _ecdsa(secret, scheme)
    if scheme.strip_prefix == "whsec_" and secret.startswith("whpk_"):
        # Standard Webhooks' asymmetric form: its signatures stand under v1a, and never under v1.
        return _ed25519(_base64(secret.removeprefix("whpk_")), tag=b"v1a")
    raw = _decode(scheme, secret)
    if not raw or not weak:
        check_strength(raw, published=secret.encode())
    return _digest(raw, scheme.algorithm) if scheme.type == "digest" else _hmac(raw, scheme.algorithm)


def _hmac(raw: bytes, algorithm: str) -> Key:
    # Keyed once. `hmac.digest` looks the algorithm up each time, and lets go of the interpreter's lock for a microsecond.
    keyed = HMAC(raw, _HASHES[algorithm]())

    def check(content: bytes, candidates: Sequence[bytes]) -> bool:
        made = keyed.copy()
        made.update(content)
        return _any_equal(made.finalize(), candidates)

    return Key(check, _SIZES[algorithm], raw=raw)


def _digest(raw: bytes, algorithm: str) -> Key:
    def check(content: bytes, candidates: Sequence[bytes]) -> bool:
        return _any_equal(hashlib.new(algorithm, raw + content).digest(), candidates)

    return Key(check, _SIZES[algorithm], raw=raw)


def _any_equal(expected: bytes, candidates: Sequence[bytes]) -> bool:
    found = False
    for candidate in candidates:
        found |= hmac.compare_digest(expected, candidate)
    return found


def _ed25519(raw: bytes, tag: bytes | None = None) -> Key:
    if len(raw) != _ED25519_KEY:
        raise BadSecret(f"an Ed25519 public key has {_ED25519_KEY} bytes")
    public = Ed25519PublicKey.from_public_bytes(raw)

    def check(content: bytes, candidates: Sequence[bytes]) -> bool:
        return any(_holds(public.verify, candidate, content) for candidate in candidates)

    return Key(check, _ED25519_SIGNATURE, tag)


def _ecdsa(secret: str, scheme: Scheme) -> Key:
    try:
        public = (
            load_pem_public_key(secret.encode()) if "BEGIN" in secret else load_der_public_key(_decode(scheme, secret))
        )
    except ValueError:
        raise BadSecret("the key is not a public key in PEM, or in base64 as the sender shows it") from None
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise BadSecret("the key is not one of the curve P-256")
    curve = public

    def holds(signature: bytes, content: bytes) -> None:
        curve.verify(signature, content, ec.ECDSA(hashes.SHA256()))

    def check(content: bytes, candidates: Sequence[bytes]) -> bool:
        return any(_holds(holds, candidate, content) for candidate in candidates)

    return Key(check, None)


def _holds(verify: Callable[[bytes, bytes], None], signature: bytes, content: bytes) -> bool:
    try:
        verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _decode(scheme: Scheme, secret: str) -> bytes:
    text = secret.removeprefix(scheme.strip_prefix) if scheme.strip_prefix else secret
    if scheme.key_encoding == "utf8":
        return text.encode("utf-8", "surrogateescape")
    if not text:
        raise BadSecret("the secret is empty: anybody could sign with it")
    if scheme.key_encoding == "base64":
        return _base64(text)
    raw = read_hex(text.encode("utf-8", "replace"))
    if raw is None:
        raise BadSecret(f"the secret is not hexadecimal, as this sender's secrets are{_blemish(text)}")
    return raw


def has_white_space_around(secret: str) -> bool:
    """Whether somebody may have copied a line break or a blank with it: no sender gives such a secret."""
    return secret != secret.strip()


def _blemish(secret: str) -> str:
    return ": there is white space before or behind it" if has_white_space_around(secret) else ""


def _base64(text: str) -> bytes:
    """Base64 with or without its padding, as secrets are copied."""
    bare = re.sub(r"=+\Z", "", text).encode("utf-8", "replace")
    raw = read_base64(bare + b"=" * (-len(bare) % 4))
    if raw is None:
        raise BadSecret(f"the secret is not base64, as this sender's secrets are{_blemish(text)}")
    return raw
