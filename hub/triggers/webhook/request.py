"""A request as it came over the wire, and what is said about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from hub.triggers.webhook.body import BadBody, read_json

Path = tuple[str | int, ...]

MOST_PARAMETERS = 200


class Refusal(Exception):
    """A credential that does not hold. `step` is a word for counting, `reason` a sentence for the operator alone."""

    def __init__(self, step: str, reason: str, *, needs: Wanted | None = None) -> None:
        self.step = step
        self.reason = reason
        self.needs = needs
        super().__init__(reason)


class Verdict(NamedTuple):
    """What a verifier says of a request."""

    ok: bool
    #: Where it failed: "header", "form", "content", "signature", "window", "key", "credential"; "" when it did not.
    step: str = ""
    #: A sentence for the operator, never for the sender; it holds no secret and no signature.
    reason: str = ""
    #: Which of the configured secrets matched, from 0; None when the scheme has none. More than 0: an old one still in use.
    secret_index: int | None = None
    #: The sender's own clock, in milliseconds since 1970 UTC, when the credential covers it.
    timestamp: int | None = None
    #: What must be fetched before this request can be judged (a certificate, a key set); else None.
    needs: Wanted | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A document that a check needs from its sender's own servers."""

    url: str
    #: Sent by POST when it is not empty; it may hold a credential.
    body: bytes = field(default=b"", repr=False)


class RawRequest:
    """One request, nothing decoded.

    `url` is path and query as received (`/webhooks/erp?x=1`); header names are in lower case; `body` is what was signed.
    """

    __slots__ = ("_json", "body", "headers", "index", "method", "repeated", "url")

    def __init__(self, method: str, url: str, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        #: Every header's value without the white space around it (RFC 9110, 5.5); the first one where there are several.
        self.index = {name: value.strip(b" \t") for name, value in headers}
        #: All values of those that came more than once; mostly there are none.
        self.repeated: dict[bytes, list[bytes]] = {}
        if len(self.index) != len(headers):
            every: dict[bytes, list[bytes]] = {}
            for name, value in headers:
                every.setdefault(name, []).append(value.strip(b" \t"))
            self.index = {name: values[0] for name, values in every.items()}
            self.repeated = {name: values for name, values in every.items() if len(values) > 1}
        self._json: tuple[Any] | None = None

    def values(self, name: bytes) -> list[bytes]:
        """Every value of a header; its name is given in lower case."""
        first = self.index.get(name)
        return [] if first is None else self.repeated.get(name) or [first]

    def value(self, name: bytes) -> bytes | None:
        """The one value of a header; None when it is missing or empty. Two different ones are refused, never chosen from."""
        found = self.index.get(name)
        if name in self.repeated and any(other != found for other in self.repeated[name]):
            raise Refusal("header", f"the header {name.decode('latin-1')} came more than once, with different values")
        return found or None

    def query(self, name: str) -> str | None:
        """The one value of a query parameter; None when it is missing or empty. Two different ones are refused."""
        _, _, text = self.url.partition("?")
        if not text:
            return None
        try:
            found = {
                value
                for key, value in parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
                if key == name
            }
        except ValueError:
            raise Refusal("header", f"the query has more than {MOST_PARAMETERS} parameters") from None
        if len(found) > 1:
            raise Refusal("header", f"the query parameter {name} came more than once, with different values")
        return next(iter(found), None) or None

    def json(self) -> Any:
        """The body as JSON within the limits of `read_json`; raises Refusal when it is not."""
        if self._json is None:
            try:
                self._json = (read_json(self.body),)
            except BadBody as error:
                raise Refusal(
                    "content", f"the body, which holds a part of the credential, is not usable JSON: {error}"
                ) from None
        return self._json[0]

    def field(self, path: Path) -> Any:
        """The value at `path` in the JSON body, or None."""
        return at(self.json(), path)


def at(value: Any, path: Path) -> Any:
    """The value at `path` inside a JSON value, or None."""
    for part in path:
        if isinstance(part, int) and isinstance(value, list):
            value = value[part] if part < len(value) else None
        elif isinstance(value, dict):
            value = value.get(str(part))
        else:
            return None
    return value


def text_of(value: Any) -> bytes | None:
    """A JSON scalar as the bytes that a sender would sign; None for null, containers and empty texts."""
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, str):
        return value.encode() or None
    if isinstance(value, int):
        return str(value).encode()
    return None
