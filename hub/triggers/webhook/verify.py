"""Requests against schemes: read the proof, compute, compare, and only then look at the clock.

A stale report then never tells an outsider anything, and a wrong secret is always called a wrong secret.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

from hub.model.durations import spoken
from hub.triggers.webhook.grammar import read_base64, read_hex, read_moment
from hub.triggers.webhook.presets import credential_headers
from hub.triggers.webhook.request import RawRequest, Refusal, Verdict, text_of
from hub.triggers.webhook.scheme import MOST_SIGNATURES, Family, ListForm, Part, Scheme, Source
from hub.triggers.webhook.secrets import Key, make_keys


class Verifier(Protocol):
    """A scheme with its secrets."""

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys of a signing scheme, newest first; none for the others."""
        ...

    def verify(self, request: RawRequest, now_ms: int, /) -> Verdict:
        """What is to be said of `request` at `now_ms` (milliseconds since 1970 UTC). It never raises."""
        ...


class Checked:
    """Turns refusals into verdicts."""

    def verify(self, request: RawRequest, now_ms: int, /) -> Verdict:
        try:
            return self.judge(request, now_ms)
        except Refusal as refusal:
            return Verdict(ok=False, step=refusal.step, reason=refusal.reason, needs=refusal.needs)

    def judge(self, request: RawRequest, now_ms: int, /) -> Verdict:
        """The verdict, or a Refusal."""
        raise NotImplementedError


class SignatureVerifier(Checked):
    """HMAC, Ed25519 and ECDSA over a content made of the request. Raises BadSecret."""

    def __init__(self, scheme: Scheme, secrets: Sequence[str], *, public_url: str = "", weak: bool = False) -> None:
        self.scheme = scheme
        self.keys = make_keys(scheme, secrets, weak=weak)
        self.public_url = public_url
        self._decode = read_hex if scheme.encoding == "hex" else read_base64
        self._whole_body = len(scheme.content) == 1 and scheme.content[0].kind == "body"
        kinds = [part.kind for part in scheme.content]
        self._after_url = scheme.type == "hmac" and ("url", "body") in pairwise(kinds)

    def judge(self, request: RawRequest, now_ms: int, /) -> Verdict:
        scheme = self.scheme
        for name, wanted in scheme.requires:
            if request.value(name) != wanted:
                raise Refusal("header", f"the header {name.decode()} must be {wanted.decode()}")
        family = pick_family(scheme, request)
        fields = _Proof(scheme, family, request)
        stamp = None if family.timestamp is None else self._stamp(family.timestamp, fields, request)
        moment = None if stamp is None else read_moment(stamp, scheme.unit)
        if stamp is not None and moment is None:
            raise Refusal("form", "the timestamp is not written as this sender writes it")
        if self._after_url and not request.body and request.method != "GET":
            # Whoever captured a delivery could write its body behind the address, and have nothing signed twice.
            raise Refusal("content", "the body is empty, and nothing parts it from the address that is signed")
        if self._whole_body:
            content = request.body
        else:
            content = build_content(scheme, family, request, stamp=stamp, public_url=self.public_url)
        index = self._match(content, fields)
        if index is None:
            raise Refusal("signature", self._mismatch(request))
        if moment is not None and scheme.tolerance is not None:
            check_window(moment, now_ms, scheme.tolerance)
        return Verdict(ok=True, secret_index=index, timestamp=moment)

    def _stamp(self, source: Source, fields: _Proof, request: RawRequest) -> bytes:
        text = fields.one(source.name) if source.kind == "signature" else find_text(source, request)
        if text is None:
            raise Refusal("header", "the timestamp is missing")
        return text

    def _match(self, content: bytes, fields: _Proof) -> int | None:
        matched = None
        for index, key in enumerate(self.keys):
            candidates = [
                value
                for text in fields.signatures(key)
                if (value := self._decode(text)) is not None and (key.size is None or len(value) == key.size)
            ]
            # Every pair is compared: how long it takes says nothing about which one was nearly right.
            if key.check(content, candidates) and matched is None:
                matched = index
        return matched

    def _mismatch(self, request: RawRequest) -> str:
        said = "no signature matches: the secret is another one, or the body was changed on its way"
        if not any(part.kind == "url" for part in self.scheme.content):
            return said
        return f"{said}, or the sender has another address than {shown_url(self.scheme, request, self.public_url)}"


class _Proof:
    """The signatures of a request, still encoded, with the other fields that stand beside them."""

    def __init__(self, scheme: Scheme, family: Family, request: RawRequest) -> None:
        self._scheme = scheme
        self._plain: list[bytes] = []
        self._fields: dict[bytes, list[bytes]] = {}
        if scheme.signature is not None:
            texts = [find_text(scheme.signature, request)]
        else:
            texts = list(map(request.value, family.headers))
        if not any(texts):
            raise Refusal("header", f"the {_place(scheme, family)} is missing{_instead(request)}")
        for text in filter(None, texts):
            if scheme.list is not None:
                self._read(scheme.list, text)
            elif text.startswith(scheme.prefix):
                self._plain.append(text[len(scheme.prefix) :])
        if scheme.list is None and not self._plain:
            raise Refusal("form", f"the {_place(scheme, family)} does not begin with {scheme.prefix.decode()}")

    def _read(self, form: ListForm, text: bytes) -> None:
        for item in text.split(form.separator):
            name, found_kv, value = item.partition(form.kv)
            if found_kv:
                self._fields.setdefault(name, []).append(value)

    def one(self, name: bytes) -> bytes | None:
        """The one value of a field; two different ones are refused."""
        values = self._fields.get(name, [])
        if any(other != values[0] for other in values[1:]):
            raise Refusal("form", f"the signature header has {name.decode()} more than once, with different values")
        return values[0] or None if values else None

    def signatures(self, key: Key) -> list[bytes]:
        if self._scheme.list is None:
            return self._plain[:MOST_SIGNATURES]
        return [
            value.removeprefix(self._scheme.prefix)
            for value in self._fields.get(key.tag or self._scheme.list.key, [])
            if value.startswith(self._scheme.prefix)
        ][:MOST_SIGNATURES]


def pick_family(scheme: Scheme, request: RawRequest) -> Family:
    """The first family whose credential is there, and no part of any other one."""
    if len(scheme.families) > 1:
        for family in scheme.families:
            if any(map(request.values, family.headers)):
                return family
    return scheme.families[0]


def find_text(source: Source, request: RawRequest) -> bytes | None:
    """A value of the request as the bytes that a sender would sign; None when it is missing or empty."""
    if source.kind == "header":
        return request.value(source.name)
    if source.kind == "json":
        return text_of(request.field(source.path))
    if source.kind == "query":
        value = request.query(source.name.decode())
        return None if value is None else value.encode("utf-8", "surrogateescape")
    return None


def build_content(
    scheme: Scheme, family: Family, request: RawRequest, *, stamp: bytes | None, public_url: str
) -> bytes:
    """The signed bytes, joined in one pass; a value that is missing is a refusal, never an empty text."""
    pieces = [_piece(part, scheme, family, request, stamp, public_url) for part in scheme.content]
    for part, piece in zip(scheme.content, pieces, strict=True):
        if piece is None:
            name = part.kind if part.kind not in ("header", "json") else f"{part.kind} value"
            raise Refusal("content", f"the {name} that is signed is missing")
    return b"".join(piece for piece in pieces if piece is not None)


def _piece(
    part: Part, scheme: Scheme, family: Family, request: RawRequest, stamp: bytes | None, public_url: str
) -> bytes | None:
    match part.kind:
        case "text":
            return part.text
        case "body":
            return request.body
        case "timestamp":
            return stamp
        case "id":
            return find_text(family.id[0], request) if family.id else None
        case "method":
            return request.method.encode("latin-1", "replace")
        case "url":
            return full_url(scheme, request, public_url).encode("latin-1", "replace")
        case "header":
            return request.value(part.text)
        case "json":
            return text_of(request.field(part.path))


def full_url(scheme: Scheme, request: RawRequest, public_url: str) -> str:
    """The URL that the sender called: configured, never built from what the request says of itself."""
    if scheme.url:
        base = scheme.url
        if "?" in request.url and "?" not in base:
            base += "?" + request.url.partition("?")[2]
    elif public_url:
        base = public_url.rstrip("/") + request.url
    else:
        raise Refusal("content", "the URL is signed, and server.public_url is not set in config/hub.yaml")
    if scheme.url_unescape:
        for character in scheme.url_unescape:
            base = re.sub(f"%{ord(character):02x}", character, base, flags=re.IGNORECASE)
    return base


def shown_url(scheme: Scheme, request: RawRequest, public_url: str) -> str:
    """The URL that a signature was held against, for people: without its parameters, which may be secret."""
    return full_url(scheme, request, public_url).partition("?")[0]


def check_window(moment: int, now_ms: int, tolerance: int) -> None:
    """Raise Refusal when a signed time is too far from now, on either side."""
    if abs(now_ms - moment) > tolerance:
        side = "in the past" if moment < now_ms else "in the future"
        raise Refusal(
            "window",
            f"the signature is right, but it was made {spoken(abs(now_ms - moment))} {side}, and {spoken(tolerance)} are allowed",
        )


def _place(scheme: Scheme, family: Family) -> str:
    if scheme.signature is not None:
        return "signature in the body"
    return f"header {family.headers[0].decode()}"


def _instead(request: RawRequest) -> str:
    """Which other sender's credential came in its place, so that somebody sees that the preset is the wrong one."""
    came = sorted(name.decode() for name in credential_headers() & request.index.keys())
    return (
        f", and {' and '.join(came)} came: is it the right preset?" if came else ": has the sender been given a secret?"
    )
