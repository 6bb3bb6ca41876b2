"""Requests, read within limits and held against what their operation declares."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from starlette.requests import ClientDisconnect, Request

from hub.api.operations import JSON_BODY, Operation, Parameter, Schema
from hub.api.problems import TooLarge, Unfit, Unreadable, WrongType
from hub.declare.body_schema import BodySchema
from hub.model.errors import NotFound
from hub.model.names import advice
from hub.triggers.webhook.body import BadBody, media_type, read_json

#: Bytes of a body.
MOST_BYTES = 1_048_576


def path_of(request: Request) -> dict[str, str]:
    """The parameters of the path. What no name can hold is nowhere."""
    found = {key: str(value) for key, value in request.path_params.items()}
    for key, value in found.items():
        if not value.isprintable() or "\ufffd" in value:
            raise NotFound(key, ascii(value))
    return found


def query_of(request: Request, operation: Operation) -> dict[str, Any]:
    """The declared parameters of the query, as values of their types. Raises Unreadable."""
    known = {parameter.name: parameter for parameter in operation.query}
    found: dict[str, Any] = {one.name: one.schema["default"] for one in operation.query if "default" in one.schema}
    given: set[str] = set()
    for name, text in request.query_params.multi_items():
        if name not in known:
            others = advice(name, known) if known else "Nothing can be asked for here."
            raise Unreadable(f"there is no parameter {name!a} here. {others}")
        if name in given:
            raise Unreadable(f"the parameter {name} is given more than once.")
        given.add(name)
        found[name] = _value(known[name], text)
    if missing := [one.name for one in operation.query if one.required and one.name not in given]:
        raise Unreadable(f"the parameter {missing[0]} is missing.")
    return found


def _value(parameter: Parameter, text: str) -> Any:
    wanted = parameter.schema.get("type")
    value: Any = text
    if "\0" in text or "\ufffd" in text:
        raise Unreadable(f"the parameter {parameter.name} is not text in UTF-8.")
    if wanted == "integer" and text.isascii() and text.removeprefix("-").isdigit() and len(text) < 20:  # noqa: PLR2004 - fits 64 bits
        value = int(text)
    elif wanted == "boolean" and text in ("true", "false"):
        value = text == "true"
    if problems := fits(parameter.schema, value):
        raise Unreadable(f"the parameter {parameter.name}: {problems.removeprefix('$: ')}.")
    return value


async def body_of(request: Request, operation: Operation) -> Any:
    """The JSON value of the body; `{}` where it is empty and may be. Of another type than JSON: its bytes. Raises Unreadable and its kind."""
    raw = await _read(request)
    if operation.body_type != JSON_BODY:
        return raw
    if operation.body is None:
        if raw.strip() not in (b"", b"{}"):
            raise Unreadable("no body is taken here, or an empty object.")
        return None
    value: Any = {}
    if raw:
        kind = media_type(request.headers.get("content-type", "").encode("latin-1"))
        if kind != JSON_BODY:
            raise WrongType(f"the body must be {JSON_BODY}.")
        try:
            value = read_json(raw)
        except BadBody as error:
            raise Unreadable(f"the body cannot be read: {error}.") from None
    if problems := fits(operation.body, value):
        raise Unfit(f"the body does not have the shape that is asked for: {problems}.")
    return value


async def _read(request: Request) -> bytes:
    pieces, size = [], 0
    try:
        async for piece in request.stream():
            size += len(piece)
            if size > MOST_BYTES:
                raise TooLarge(f"the body is longer than {MOST_BYTES} bytes.")
            pieces.append(piece)
    except ClientDisconnect:  # whoever has left reads no answer, and the guard tells the others that they were too slow
        raise Unreadable("the body did not come to its end.") from None
    return b"".join(pieces)


def fits(schema: Schema, value: Any) -> str:
    """Why a value is not what a schema asks for; "" when it is."""
    return "; ".join(_compiled(_Key(schema)).problems(value))


class _Key:
    """A schema as a key: there are as many as there are declarations."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema

    def __hash__(self) -> int:
        return id(self.schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.schema is self.schema


@cache
def _compiled(key: _Key) -> BodySchema:
    return BodySchema(key.schema)
