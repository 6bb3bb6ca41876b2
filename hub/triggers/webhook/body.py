"""Bodies, after their sender is known: JSON and forms within limits, and nothing else.

Limits exist because the same bytes must mean the same to everyone who reads them later, and must cost little.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from hub.triggers.webhook.plain import read_plain

MOST_DEPTH = 64
MOST_NODES = 100_000
MOST_KEYS = 10_000
MOST_FIELDS = 1_000
#: Python refuses longer integers by itself (ValueError); said here because it is part of what is promised.
MOST_DIGITS = 4_300

JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"

# An escape that could write half a character or a NUL. Everything else that is odd is refused by the UTF-8 decoder.
_SUSPECT = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)")


class BadBody(Exception):
    """A body that cannot be read the same way by everyone. Its text tells the sender why, and echoes nothing of it."""


class Body(NamedTuple):
    """A body as expressions see it."""

    #: JSON value: the parsed body, the fields of a form, a text, or None when it is empty.
    value: Any
    #: Whether `value` is what a JSON reader makes of the raw bytes; when not, it has to be stored beside them.
    is_json: bool


def read_json(body: bytes) -> Any:
    """The value of a JSON body in UTF-8. Raises BadBody.

    Refused: other encodings, NaN and Infinity, duplicate keys, depth over 64, over 100,000 values, over 10,000 keys in one
    object, integers over 4,300 digits, lone surrogates, NUL (which PostgreSQL cannot hold).
    """
    plain = read_plain(body, MOST_DEPTH)
    return read_carefully(body) if plain is None else plain[0]


def read_carefully(body: bytes) -> Any:
    """What `read_json` says of any body."""
    openings = body.count(b"{") + body.count(b"[")
    nodes = openings + body.count(b",") if len(body) >= MOST_NODES else 0
    if openings > MOST_NODES or nodes > 2 * MOST_NODES:
        # Brackets and commas inside texts count too; so only twice the limit is refused unread.
        raise BadBody(f"it may hold more than {MOST_NODES} values")
    try:
        value = _decode(body.decode("utf-8"))
    except BadBody:
        raise
    except UnicodeDecodeError:
        raise BadBody("it is not UTF-8") from None
    except RecursionError:
        raise BadBody(f"it is nested deeper than {MOST_DEPTH} levels") from None
    except ValueError as error:
        raise BadBody(_where(error)) from None
    # The walk is dear; a body with few brackets and commas cannot break the limits that it looks for.
    # One character is looked for many times as fast as two.
    if openings > MOST_DEPTH or nodes >= MOST_NODES or (b"\\" in body and _SUSPECT.search(body) is not None):
        _walk(value)
    return value


def read_body(content_type: str | None, body: bytes) -> Body:
    """A body by its media type. Raises BadBody.

    JSON types must be JSON. A form becomes an object of its fields (a repeated one is a list); one that holds nothing but a
    `payload` field with JSON in it, as GitHub and Slack send it, becomes that JSON. Without a type, a body that reads as JSON is
    JSON. All else is a text in UTF-8, or None when it is empty.
    """
    if not body:
        return Body(None, is_json=False)
    if content_type is None:
        try:
            return Body(read_json(body), is_json=True)
        except BadBody:
            return Body(_text(body), is_json=False)
    if is_json_type(content_type):
        return Body(read_json(body), is_json=True)
    if content_type == FORM_TYPE:
        return Body(_read_form(body), is_json=False)
    return Body(_text(body), is_json=False)


def is_json_type(content_type: str) -> bool:
    return content_type == JSON_TYPE or (content_type.startswith("application/") and content_type.endswith("+json"))


def media_type(value: bytes) -> str:
    """`application/json` of `Application/JSON; charset=utf-8`; what follows the semicolon is not believed."""
    return value.split(b";", 1)[0].strip(b" \t").lower().decode("latin-1")


def form_fields(body: bytes) -> list[tuple[str, str]]:
    """The fields of a form in their order, repeated ones included. Raises BadBody."""
    try:
        return parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise BadBody(f"it is not a form in UTF-8 with at most {MOST_FIELDS} fields") from None


def _read_form(body: bytes) -> Any:
    fields: dict[str, Any] = {}
    for name, value in form_fields(body):
        if "\0" in name or "\0" in value:
            raise BadBody("it holds a NUL character")
        if name not in fields:
            fields[name] = value
        elif isinstance(fields[name], list):
            fields[name].append(value)
        else:
            fields[name] = [fields[name], value]
    if list(fields) == ["payload"] and isinstance(fields["payload"], str):
        return read_json(fields["payload"].encode())
    return fields


def _text(body: bytes) -> str:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise BadBody("it is not UTF-8") from None
    if "\0" in text:
        raise BadBody("it holds a NUL character")
    return text


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value, count = dict(pairs), len(pairs)
    if len(value) != count:
        # The last wins here, the first elsewhere: two readers would see two events.
        raise BadBody("an object has the same key twice")
    if count > MOST_KEYS:
        raise BadBody(f"an object has more than {MOST_KEYS} keys")
    return value


def _constant(name: str) -> Any:
    raise BadBody(f"{name} is not JSON")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise BadBody("a number is too large")
    return value


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)


def _decode(text: str) -> Any:
    if text.startswith(("{", "[")):
        # Nothing stands before the value, and mostly nothing behind: `decode` would look for spaces with patterns.
        value, end = _decoder.raw_decode(text)
        if end == len(text):
            return value
    return _decoder.decode(text)


def _where(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON: line {error.lineno}, column {error.colno}"
    return f"it holds a number of more than {MOST_DIGITS} digits"


def _walk(value: Any) -> None:
    """Raise BadBody for depth, number of values, or text that no UTF-8 can hold. Iterative: depth is what it guards."""
    level: list[Any] = [value]
    nodes = depth = 0
    while level:
        depth += 1
        nodes += len(level)
        if nodes > MOST_NODES:
            raise BadBody(f"it holds more than {MOST_NODES} values")
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                for key in item:
                    _check_text(key)
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
            elif isinstance(item, str):
                _check_text(item)
        if below and depth >= MOST_DEPTH and any(isinstance(item, dict | list) for item in below):
            raise BadBody(f"it is nested deeper than {MOST_DEPTH} levels")
        level = below


def _check_text(text: str) -> None:
    if "\0" in text:
        raise BadBody("a text holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadBody("a text holds half a character (a lone surrogate)") from None
