"""One executor's way in: its verifier, its limits, its answer. Made when files are loaded; secrets live here alone."""

from __future__ import annotations

import binascii
import hashlib
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from hub.model.event import among
from hub.triggers.webhook.answer import JSON
from hub.triggers.webhook.identify import delivery_id
from hub.triggers.webhook.request import RawRequest
from hub.triggers.webhook.scheme import Family, Scheme, Source
from hub.triggers.webhook.verify import Verifier

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: Finds out elsewhere what is wrong with a body, where that takes longer than others may wait. Raises Undecided.
Later = Callable[[], Awaitable[str | None]]
#: What is wrong with a parsed body: a sentence that begins with the path, None for nothing, or the way to find out.
Validate = Callable[[Any], str | Later | None]

DEFAULT_BODY = 1_048_576
LARGEST_BODY = 26_214_400
DEFAULT_WINDOW = 14 * 86_400_000
DEFAULT_CONCURRENCY = 256

_LONGEST_ID = 200
#: Bytes of a body's hash. Each hash falls on another page of its index, so a short one makes the store quicker; and of a thousand
#: million bodies of one source no two have the same 72 bits, but for one case in ten thousand.
_HASH = 9


class Undecided(Exception):
    """Whether a body has the shape that the file asks for could not be found out in time."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a sender is answered once its delivery is stored."""

    status: int = 202
    #: None: the event's id and its deliveries, as JSON.
    body: bytes | None = None
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()
    #: A body with `${{ }}` in it, as written: what is above evaluates it. None: there is none.
    template: Any = None
    #: Answered with the result of the execution when that comes in time; else with a plain 202.
    result: bool = False
    #: Seconds that the sender can wait for what is above.
    deadline: float = 7.0

    @property
    def deferred(self) -> bool:
        """Whether the answer takes more than the stored event."""
        return self.result or self.template is not None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A webhook executor as the intake sees it. The same for every request; replaced as a whole when files change."""

    name: str
    scheme: Scheme
    #: None: the token in the URL is the secret.
    verifier: Verifier | None = field(repr=False)
    methods: frozenset[str] = frozenset({"POST"})
    #: Methods that only a handshake uses.
    handshake_methods: frozenset[str] = frozenset()
    #: Media types that are taken; empty takes the ones that the hub can read.
    content_types: frozenset[str] = frozenset()
    #: Largest body in bytes.
    max_body: int = DEFAULT_BODY
    #: Deliveries a minute, and at the same time. None: no limit.
    rate: int | None = None
    concurrency: int = DEFAULT_CONCURRENCY
    #: Networks that may send; empty takes all.
    networks: tuple[Network, ...] = ()
    #: Where the dedupe key comes from: the scheme's id, the whole body, a place of the file's own, or nowhere.
    dedupe: Literal["id", "body", "place", "none"] = "id"
    place: Source | None = None
    #: Whether two real deliveries never have the same body: the same body under another, unsigned id is then a repetition.
    body_unique: bool = False
    #: How long a key is remembered, in milliseconds; the store keeps it.
    window: int = DEFAULT_WINDOW
    #: What the same id with another body is: refused with 409, or a repetition that the sender says differently.
    conflict: Literal["refuse", "duplicate"] = "refuse"
    response: Response = Response()
    #: Names of events that the executor takes; empty takes all. The others are stored too, and filtered later.
    events: tuple[str, ...] = ()
    #: Checks the parsed body against the file's schema.
    validate: Validate | None = None
    #: Headers and query parameters that hold the credential; they are stored redacted.
    secret_headers: frozenset[bytes] = frozenset()
    secret_parameters: frozenset[str] = frozenset()
    #: Further executors that get what this one receives.
    followers: tuple[str, ...] = ()
    #: Sentences for `hub check`.
    warnings: tuple[str, ...] = ()

    @property
    def allow(self) -> bytes:
        """The value of an Allow header."""
        return ", ".join(sorted(self.methods | self.handshake_methods)).encode()

    @property
    def executors(self) -> tuple[str, ...]:
        """Whom a delivery is for."""
        return (self.name, *self.followers)

    def shape_of(self, kind: str) -> Validate | None:
        """What the body of such an event is held against. Those that are not taken anyway may have any shape."""
        return None if self.events and not among(kind, self.events) else self.validate

    def key(self, request: RawRequest, value: Any) -> str | None:
        """What is the same when the sender repeats this delivery; None: nothing is, so nothing is guessed."""
        found = None
        if self.dedupe == "body":
            found = "sha256:" + hashlib.sha256(request.body).hexdigest()
        elif self.dedupe == "id":
            found = delivery_id(self.scheme, request, value)
        elif self.dedupe == "place" and self.place is not None:
            found = delivery_id(Scheme("none", (Family((), id=(self.place,)),)), request, value)
        if found is None or (len(found) <= _LONGEST_ID and found.isprintable()):
            return found
        return "id-sha256:" + hashlib.sha256(found.encode("utf-8", "surrogateescape")).hexdigest()

    def body_key(self, request: RawRequest) -> str | None:
        """The beginning of the body's hash, for senders whose bodies never repeat: whoever replays a captured request can change
        its unsigned id.
        """
        if not self.body_unique or not request.body:
            return None
        return binascii.b2a_base64(hashlib.sha256(request.body).digest()[:_HASH], newline=False).decode()
