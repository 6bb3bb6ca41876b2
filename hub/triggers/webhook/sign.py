"""Correctly signed test requests, as their senders would make them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from hub.model.clock import new_id
from hub.model.errors import BadInput
from hub.model.executor import Executor, WebhookTrigger
from hub.triggers.webhook.adyen import items, signed_fields
from hub.triggers.webhook.body import FORM_TYPE, JSON_TYPE, BadBody, read_json
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.graph import GraphVerifier
from hub.triggers.webhook.head import takes
from hub.triggers.webhook.request import Path, RawRequest, Refusal
from hub.triggers.webhook.scheme import Family, Scheme
from hub.triggers.webhook.twilio import sorted_fields
from hub.triggers.webhook.verify import build_content, full_url


@dataclass(frozen=True, slots=True)
class Signed:
    """What has to be sent. The body differs from the given one only where the sender's own would hold the signature or the time."""

    headers: Mapping[str, str]
    body: bytes
    #: Added to the URL, with its question mark; "" when nothing is.
    query: str = ""
    method: str = "POST"

    def request(self, executor: str) -> RawRequest:
        """As it arrives."""
        headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in self.headers.items()]
        return RawRequest(self.method, f"/webhooks/{executor}{self.query}", headers, self.body)


def sign(endpoint: Endpoint, body: bytes, now_ms: int, *, event: str | None = None) -> Signed:
    """A request whose credential `endpoint` accepts at `now_ms`. Raises BadInput where only the sender itself can sign."""
    method = "POST" if "POST" in endpoint.methods else min(endpoint.methods)
    return replace(_signed(endpoint, body, now_ms, event, method), method=method)


def _signed(endpoint: Endpoint, body: bytes, now_ms: int, event: str | None, method: str) -> Signed:
    scheme = endpoint.scheme
    verifier = endpoint.verifier
    headers = {"content-type": _content_type(endpoint, body)}
    headers.update(_event_headers(scheme, event))
    if verifier is None or scheme.type == "none":
        return Signed(headers | _id_headers(scheme, now_ms), body)
    example = getattr(verifier, "example", None)
    if example is not None:
        proof, query = example()
        return Signed(headers | _id_headers(scheme, now_ms) | proof, body, query)
    if not isinstance(verifier, GraphVerifier) and not (verifier.keys and verifier.keys[0].raw):
        raise BadInput(
            f'executor "{endpoint.name}": the hub only holds what it takes to check this sender\'s signatures, so it cannot make one. '
            "Send a test from the sender's own page, or copy the executor with a preset that has a shared secret."
        )
    try:
        if isinstance(verifier, GraphVerifier):
            return Signed(headers, verifier.stated(body))
        return _Signer(endpoint, verifier.keys[0].raw, verifier, now_ms, method).sign(body, headers)
    except (Refusal, BadBody) as error:
        raise BadInput(f'executor "{endpoint.name}": this body cannot be signed: {error}.') from None


def usual_event(executor: Executor) -> str | None:
    """The first event that the executor asks for by its whole name."""
    trigger = executor.trigger
    named = trigger.events if isinstance(trigger, WebhookTrigger) else ()
    return next((event for event in named if not set("*?[") & set(event)), None)


def as_curl(url: str, signed: Signed) -> str:
    """The request as a curl command for a shell."""
    parts = ["curl", "-sS", "-X", signed.method, shlex.quote(url + signed.query)]
    for name, value in signed.headers.items():
        parts += ["-H", shlex.quote(f"{name}: {value}")]
    return " ".join([*parts, "--data-binary", shlex.quote(signed.body.decode("utf-8", "surrogateescape"))])


class _Signer:
    def __init__(self, endpoint: Endpoint, raw: bytes, verifier: Any, now_ms: int, method: str) -> None:
        self.scheme = endpoint.scheme
        self.family: Family = endpoint.scheme.families[0]
        self.raw = raw
        self.public_url: str = getattr(verifier, "public_url", "")
        self.now = now_ms
        self.method = method
        self.path = f"/webhooks/{endpoint.name}"

    def sign(self, body: bytes, headers: dict[str, str]) -> Signed:
        scheme = self.scheme
        if scheme.type == "twilio":
            return self._twilio(body, headers)
        if scheme.type == "adyen":
            return self._adyen(body, headers)
        stamp = self._stamp()
        headers |= _id_headers(scheme, self.now) | {name.decode(): value.decode() for name, value in scheme.requires}
        stamp_at = self.family.timestamp
        if stamp_at is not None and stamp_at.kind == "header":
            headers[stamp_at.name.decode()] = stamp
        if stamp_at is not None and stamp_at.kind == "json":
            body = _put(body, stamp_at.path, int(stamp) if scheme.signature is None else stamp)
        for part in scheme.content:
            if part.kind == "json" and (stamp_at is None or part.path != stamp_at.path):
                body = _put(body, part.path, new_id(self.now))
        request = RawRequest(
            self.method, self.path, [(name.encode(), value.encode()) for name, value in headers.items()], body
        )
        content = build_content(scheme, self.family, request, stamp=stamp.encode(), public_url=self.public_url)
        text = scheme.prefix.decode() + self._mac(content)
        if scheme.signature is not None:
            return Signed(headers, _put(body, scheme.signature.path, text))
        if scheme.list is not None:
            kv, separator = scheme.list.kv.decode(), scheme.list.separator.decode()
            text = f"{scheme.list.key.decode()}{kv}{text}"
            if stamp_at is not None and stamp_at.kind == "signature":
                text = f"{stamp_at.name.decode()}{kv}{stamp}{separator}{text}"
        return Signed(headers | {self.family.headers[0].decode(): text}, body)

    def _stamp(self) -> str:
        match self.scheme.unit:
            case "rfc3339":
                return datetime.fromtimestamp(self.now // 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            case "ms":
                return str(self.now)
        return str(self.now // 1_000)

    def _mac(self, content: bytes) -> str:
        if self.scheme.type == "digest":
            digest = hashlib.new(self.scheme.algorithm, self.raw + content).digest()
        else:
            digest = hmac.digest(self.raw, content, self.scheme.algorithm)
        return digest.hex() if self.scheme.encoding == "hex" else base64.b64encode(digest).decode()

    def _twilio(self, body: bytes, headers: dict[str, str]) -> Signed:
        is_form = headers["content-type"].startswith("application/x-www-form-urlencoded")
        query = "" if is_form or not body else f"?bodySHA256={hashlib.sha256(body).hexdigest()}"
        url = full_url(self.scheme, RawRequest(self.method, self.path + query, (), b""), self.public_url)
        content = url.encode() + (sorted_fields(body) if is_form else b"")
        return Signed(headers | {"x-twilio-signature": self._mac(content)}, body, query)

    def _adyen(self, body: bytes, headers: dict[str, str]) -> Signed:
        value = read_json(body)
        for item in items(value):
            if isinstance(item, dict):
                item.setdefault("additionalData", {})["hmacSignature"] = self._mac(signed_fields(item))
        return Signed(headers, json.dumps(value).encode())


def _content_type(endpoint: Endpoint, body: bytes) -> str:
    """What the body looks like, as far as the executor takes it; else the first type that it does take."""
    match body.lstrip()[:1]:
        case b"{" | b"[" | b"":
            looks = [JSON_TYPE]
        case b"<":
            looks = ["application/xml", "text/xml", "text/plain"]
        case _:
            looks = [FORM_TYPE, "text/plain"] if b"=" in body else ["text/plain", FORM_TYPE]
    fitting = [kind for kind in looks if takes(endpoint, kind)]
    return (fitting or sorted(endpoint.content_types) or [JSON_TYPE])[0]


def _event_headers(scheme: Scheme, event: str | None) -> dict[str, str]:
    named = {source.name.decode(): event for source in scheme.families[0].event if source.kind == "header" and event}
    return {name: value for name, value in named.items() if value is not None}


def _id_headers(scheme: Scheme, now_ms: int) -> dict[str, str]:
    first = scheme.families[0].id[:1]
    return {source.name.decode(): f"test-{new_id(now_ms)}" for source in first if source.kind == "header"}


def _put(body: bytes, path: Path, value: Any) -> bytes:
    """The JSON body with `value` at `path`."""
    document = read_json(body)
    here = document
    for part in path[:-1]:
        if not isinstance(here, dict):
            raise BadBody(f"it has no place for {'.'.join(map(str, path))}")
        here = here.setdefault(str(part), {})
    if not isinstance(here, dict):
        raise BadBody(f"it has no place for {'.'.join(map(str, path))}")
    here[str(path[-1])] = value
    return json.dumps(document).encode()
