"""What a sender signs and where it puts the proof: the `verify` mapping of an executor as checked values.

The algorithm, the encoding and the places are fixed here. A request chooses none of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hub.triggers.webhook.request import Path

SIGNING = ("hmac", "ed25519", "ecdsa_p256", "digest")
STATIC = ("token", "basic", "bearer", "none")
#: Checks that need code of their own; only presets name them.
SPECIAL = ("twilio", "adyen", "sns", "msgraph", "plaid", "jwt")
#: The types that a file may write.
TYPES = ("hmac", "ed25519", "ecdsa_p256", "jwt", "token", "basic", "bearer", "none")

ALGORITHMS = ("sha1", "sha256", "sha512")
ENCODINGS = ("hex", "base64")
SECRET_ENCODINGS = ("utf8", "base64", "hex")
UNITS = ("s", "ms", "rfc3339")

MOST_SIGNATURES = 16
MOST_SECRETS = 4
LEAST_SECRET = 16

SourceKind = Literal["header", "signature", "json", "query", "special"]
PartKind = Literal["text", "body", "timestamp", "id", "method", "url", "header", "json"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value of the request is found: `header:X-Event-Id`, `signature:t`, `json:event.id`, `query:code`."""

    kind: SourceKind
    #: Header name in lower case, key inside the signature header, or parameter name.
    name: bytes = b""
    #: Of `json`: the keys to follow; numbers index into lists, and `*` in an id is every item of one.
    path: Path = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the signed content: literal text, or something of the request."""

    kind: PartKind
    text: bytes = b""
    path: Path = ()


@dataclass(frozen=True, slots=True)
class ListForm:
    """Several values in one header: `t=1,v1=ab,v1=cd` has separator ",", kv "=" and the signatures under key `v1`."""

    separator: bytes
    key: bytes
    kv: bytes = b"="


@dataclass(frozen=True, slots=True)
class Family:
    """Header names that belong together; the first family whose signature is present is used as a whole, never mixed."""

    #: Lower-case names to read signatures from; several only for a numbered family.
    headers: tuple[bytes, ...]
    timestamp: Source | None = None
    #: Where the delivery's id is looked for, in this order, or joined from; one place only when content holds {id}.
    id: tuple[Source, ...] = ()
    #: Where the event's name is looked for, in this order.
    event: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Scheme:
    """How one kind of sender proves who it is."""

    type: str
    families: tuple[Family, ...] = (Family(()),)
    #: The signature stands in the JSON body instead of a header.
    signature: Source | None = None
    algorithm: str = "sha256"
    encoding: str = "hex"
    prefix: bytes = b""
    list: ListForm | None = None
    content: tuple[Part, ...] = (Part("body"),)
    unit: str = "s"
    #: How far the sender's clock may be off, in milliseconds; None when there is no timestamp.
    tolerance: int | None = None
    key_encoding: str = "utf8"
    strip_prefix: str = ""
    id_signed: bool = False
    #: The id is all of a family's places together, rather than the first one that is there.
    id_joined: bool = False
    #: Added to the event's name after a dot when it is present: GitHub's `action`.
    event_suffix: Source | None = None
    #: Headers that must have exactly these values.
    requires: tuple[tuple[bytes, bytes], ...] = ()
    #: Of token and bearer: a query parameter that may hold the credential instead of the header.
    query: str = ""
    #: Percent-escapes of these characters are decoded in `{url}` before it is signed (HubSpot).
    url_unescape: str = ""
    #: The fixed URL that was registered with the sender; "": the public URL and the path as received.
    url: str = ""
    handshake: str = "none"
    content_types: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("POST",)
    preset: str = ""
    #: Settings of special checks and handshakes: `topic_arns`, `audience`, `verify_token`, `origins`…
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What people call it: the preset, or its type."""
        return self.preset or self.type


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something wrong in a `verify` mapping. `path` is relative to it."""

    path: tuple[str | int, ...]
    message: str


HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_NUMBERED = re.compile(r"(.+)\{([0-9]{1,3})\.\.([0-9]{1,3})\}")
_SOURCE = re.compile(r"(header|signature|json|query|special):(.{1,200})", re.DOTALL)
_INDEX = re.compile(r"\[([0-9]{1,3})\]")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_SIMPLE: Mapping[str, PartKind] = {
    "body": "body",
    "timestamp": "timestamp",
    "id": "id",
    "method": "method",
    "url": "url",
}


def parse_source(text: object) -> Source | None:
    """A place in the request, or None when `text` does not name one."""
    found = _SOURCE.fullmatch(text) if isinstance(text, str) and is_unicode(text) else None
    if found is None:
        return None
    kind, name = found[1], found[2]
    if kind == "json":
        return Source("json", path=parse_path(name))
    if kind == "header":
        return Source("header", name=name.lower().encode()) if HEADER_NAME.fullmatch(name) else None
    return Source("signature" if kind == "signature" else "query" if kind == "query" else "special", name=name.encode())


def is_unicode(text: str) -> bool:
    """Whether a text can be written in UTF-8: YAML and JSON can hold half a character (a lone surrogate)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def parse_path(text: str) -> Path:
    """`events.0.id`, or `events[0].id`, as ("events", 0, "id")."""
    parts = _INDEX.sub(r".\1", text).split(".")
    return tuple(int(part) if part.isascii() and part.isdigit() and len(part) < 4 else part for part in parts)  # noqa: PLR2004 - a list has at most a thousand items worth naming


def parse_headers(text: object) -> tuple[bytes, ...] | None:
    """Lower-case header names: one, or a numbered family such as `X-DocuSign-Signature-{1..100}`."""
    if not isinstance(text, str):
        return None
    found = _NUMBERED.fullmatch(text)
    if found is None:
        return (text.lower().encode(),) if HEADER_NAME.fullmatch(text) else None
    first, last = int(found[2]), int(found[3])
    if not HEADER_NAME.fullmatch(found[1]) or not first <= last <= first + 99:
        return None
    return tuple(f"{found[1]}{number}".lower().encode() for number in range(first, last + 1))


def parse_content(text: object) -> tuple[Part, ...] | None:
    """A template of the signed bytes, read once from left to right; None when a placeholder is not known."""
    if not isinstance(text, str) or not text or not is_unicode(text):
        return None
    parts: list[Part] = []
    end = 0
    for found in _PLACEHOLDER.finditer(text):
        if found.start() > end:
            parts.append(Part("text", text[end : found.start()].encode()))
        end = found.end()
        name = found[1]
        if name in _SIMPLE:
            parts.append(Part(_SIMPLE[name]))
        elif name.startswith("header:") and HEADER_NAME.fullmatch(name[7:]):
            parts.append(Part("header", name[7:].lower().encode()))
        elif name.startswith("json:") and len(name) > len("json:"):
            parts.append(Part("json", path=parse_path(name[5:])))
        else:
            return None
    if end < len(text):
        parts.append(Part("text", text[end:].encode()))
    return tuple(parts)


def lint(scheme: Scheme) -> list[Flaw]:
    """What would make a scheme prove less than it seems to."""
    if scheme.type not in SIGNING:
        return []
    flaws = []
    kinds = {part.kind for part in scheme.content}
    paths = {part.path for part in scheme.content if part.kind == "json"}
    for family in scheme.families:
        stamp = family.timestamp
        if (
            stamp is not None
            and "timestamp" not in kinds
            and not (stamp.kind == "json" and _covers(stamp.path, kinds, paths))
        ):
            flaws.append(
                Flaw(
                    ("timestamp",),
                    "the timestamp is not signed: put {timestamp} into content, or leave it out, because anyone could freshen it.",
                )
            )
        if scheme.id_signed and not (family.id and all(_id_covered(source, kinds, paths) for source in family.id)):
            flaws.append(
                Flaw(
                    ("id",),
                    "the id is said to be signed, but content does not hold it: put {id} into content, or write signed: false.",
                )
            )
        if stamp is not None and stamp.kind == "signature" and scheme.list is None:
            flaws.append(
                Flaw(
                    ("timestamp",),
                    'the timestamp is said to stand beside the signature, and that is no list: say so with list: {separator: ",", key: v1}.',
                )
            )
        if "timestamp" in kinds and stamp is None:
            flaws.append(
                Flaw(("content",), "content holds {timestamp}: say where it comes from with timestamp: {from: …}.")
            )
        if "id" in kinds and len(family.id) != 1:
            flaws.append(
                Flaw(("content",), "content holds {id}: say the one place that it comes from with id: {from: …}.")
            )
    if not kinds - {"text", "timestamp", "method", "url", "id"}:
        flaws.append(Flaw(("content",), "the body is not signed: put {body} into content."))
    return list(dict.fromkeys(flaws))


def warnings(scheme: Scheme) -> list[str]:
    """What is worth knowing of a scheme that a file writes out."""
    if scheme.preset or scheme.type not in SIGNING:
        return []
    free = {"body", "id", "url", "header", "json"}
    for left, right in zip(scheme.content, scheme.content[1:], strict=False):
        if left.kind in free and right.kind in free:
            joined = f"content joins {{{left.kind}}} and {{{right.kind}}} with nothing between them"
            return [
                f"{joined}: bytes can be moved from one to the other under the same signature. Put a separator there."
            ]
    return []


def _covers(path: Path, kinds: set[PartKind], paths: set[Path]) -> bool:
    return "body" in kinds or path in paths


def _id_covered(source: Source, kinds: set[PartKind], paths: set[Path]) -> bool:
    if "id" in kinds:
        return True
    if source.kind == "query":
        return "url" in kinds
    return source.kind == "special" or (source.kind == "json" and _covers(source.path, kinds, paths))
