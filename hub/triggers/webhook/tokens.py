"""Credentials that do not cover the body: a token, HTTP Basic, a bearer token, or nothing at all."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from urllib.parse import quote

from hub.triggers.webhook.grammar import read_base64
from hub.triggers.webhook.handshake import asks_validation
from hub.triggers.webhook.request import RawRequest, Refusal, Verdict
from hub.triggers.webhook.scheme import Scheme
from hub.triggers.webhook.secrets import BadSecret, Key, check_strength
from hub.triggers.webhook.verify import Checked


class TokenVerifier(Checked):
    """A fixed token in a header, in a bearer credential, or in a query parameter that the file names."""

    def __init__(self, scheme: Scheme, secrets: Sequence[str], *, weak: bool = False) -> None:
        self.scheme = scheme
        self.keys: tuple[Key, ...] = ()
        self._hashes = hashed([secret.encode("utf-8", "surrogateescape") for secret in secrets], weak=weak)
        self._newest = secrets[0]

    def judge(self, request: RawRequest, _now_ms: int, /) -> Verdict:
        given = self._given(request)
        if given is None:
            raise Refusal("header", "the token is missing")
        return Verdict(ok=True, secret_index=match_hash(given, self._hashes, "the token is another one"))

    def example(self) -> tuple[dict[str, str], str]:
        """The headers of a request that is accepted, and what its address has behind it."""
        header = self.scheme.families[0].headers
        if self.scheme.type == "bearer":
            return {"authorization": f"Bearer {self._newest}"}, ""
        if header:
            return {header[0].decode(): self.scheme.prefix.decode() + self._newest}, ""
        return {}, f"?{self.scheme.query}={quote(self._newest, safe='', errors='surrogateescape')}"

    def _given(self, request: RawRequest) -> bytes | None:
        found = None
        if self.scheme.type == "bearer":
            found = credentials(request, b"bearer")
        elif self.scheme.families[0].headers:
            found = request.value(self.scheme.families[0].headers[0])
            if found is not None:
                if not found.startswith(self.scheme.prefix):
                    raise Refusal("form", f"the token does not begin with {self.scheme.prefix.decode()}")
                found = found[len(self.scheme.prefix) :]
        text = request.query(self.scheme.query) if self.scheme.query else None
        if text is None:
            return found
        other = text.encode("utf-8", "surrogateescape")
        if found is not None and not hmac.compare_digest(found, other):
            raise Refusal("header", f"the header and the parameter {self.scheme.query} hold different tokens")
        return other


class BasicVerifier(Checked):
    """HTTP Basic. A secret is `user:password`, split at its first colon, or the password beside a `username`."""

    def __init__(self, scheme: Scheme, secrets: Sequence[str], *, weak: bool = False) -> None:
        self.scheme = scheme
        self.keys: tuple[Key, ...] = ()
        user = scheme.options.get("username")
        pairs = [secret if user is None else f"{user}:{secret}" for secret in secrets]
        if any(":" not in pair for pair in pairs):
            raise BadSecret("basic needs user:password as its secret, or a username beside it")
        self._hashes = hashed([pair.encode("utf-8", "surrogateescape") for pair in pairs], weak=weak)
        self._newest = pairs[0]

    def example(self) -> tuple[dict[str, str], str]:
        """The headers of a request that is accepted."""
        pair = self._newest.encode("utf-8", "surrogateescape")
        return {"authorization": f"Basic {base64.b64encode(pair).decode()}"}, ""

    def judge(self, request: RawRequest, _now_ms: int, /) -> Verdict:
        given = credentials(request, b"basic")
        if given is None:
            raise Refusal("header", "the header authorization is missing")
        pair = read_base64(given)
        if pair is None or b":" not in pair:
            raise Refusal("form", "the credentials are not user:password in base64")
        return Verdict(ok=True, secret_index=match_hash(pair, self._hashes, "user or password is another one"))


class NoVerifier:
    """`type: none`, which a file has to write out."""

    def __init__(self, scheme: Scheme) -> None:
        self.scheme = scheme
        self.keys: tuple[Key, ...] = ()

    def verify(self, _request: RawRequest, _now_ms: int, /) -> Verdict:
        return Verdict(ok=True)


_CREDENTIALS = re.compile(rb"([A-Za-z]+) +([^\s]+)")


def credentials(request: RawRequest, scheme: bytes) -> bytes | None:
    """What follows the scheme word (lower-case) in Authorization; None when the header is missing."""
    text = request.value(b"authorization")
    if text is None:
        return None
    found = _CREDENTIALS.fullmatch(text)
    if found is None or found[1].lower() != scheme:
        raise Refusal("form", f"the header authorization is not of the kind {scheme.decode().capitalize()}")
    return found[2]


def hashed(values: Sequence[bytes], *, weak: bool) -> tuple[bytes, ...]:
    """SHA-256 of each secret. Raises BadSecret."""
    for value in values:
        if not value or not weak:
            check_strength(value)
    return tuple(hashlib.sha256(value).digest() for value in values)


def match_hash(given: bytes, hashes: Sequence[bytes], reason: str) -> int:
    """Hashes have one length and no characters, so that comparing them says nothing and cannot fail."""
    wanted = hashlib.sha256(given).digest()
    matched = [index for index, known in enumerate(hashes) if hmac.compare_digest(known, wanted)]
    if not matched:
        raise Refusal("credential", reason)
    return matched[0]


class ClosedVerifier(Checked):
    """Takes nothing: the sender is still being set up, and has no secret yet. Whoever asks whether to send is told yes."""

    def __init__(self, scheme: Scheme) -> None:
        self.scheme = scheme
        self.keys: tuple[Key, ...] = ()

    def judge(self, request: RawRequest, _now_ms: int, /) -> Verdict:
        if asks_validation(self.scheme, request):
            return Verdict(ok=True)
        raise Refusal("key", "no secret is set in the executor's file")
