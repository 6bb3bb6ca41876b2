"""A form for an answer, made from the JSON Schema of what is expected, and the answer read back from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.model.errors import BadInput

_PLAIN = frozenset({"string", "integer", "number", "boolean"})
FIELD = "field."


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    label: str
    #: string, integer, number, boolean, choice.
    kind: str
    required: bool
    note: str = ""
    choices: tuple[str, ...] = ()
    default: Any = None


@dataclass(frozen=True, slots=True)
class Question:
    """`fields` is empty when the schema is more than a list of plain values: the answer is then JSON text."""

    fields: tuple[Field, ...]
    example: str


def question(schema: Mapping[str, Any]) -> Question:
    """The form for a schema."""
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, dict) or not properties:
        return Question((), "{}")
    required = set(schema.get("required", ()))
    fields = [_field(name, _plain(inner), required) for name, inner in properties.items()]
    example = json.dumps(dict.fromkeys(properties), indent=2, ensure_ascii=False)
    if any(field is None for field in fields):
        return Question((), example)
    return Question(tuple(field for field in fields if field is not None), example)


def answer(asked: Question | None, form: Mapping[str, Any]) -> Any:
    """What was filled in. Raises BadInput with the field's name."""
    if asked is None or not asked.fields:
        try:
            return json.loads(str(form.get("json", "")) or "null")
        except (ValueError, RecursionError) as error:
            raise BadInput(f"the answer is not JSON: {error}") from None
    given: dict[str, Any] = {}
    for field in asked.fields:
        text = str(form.get(FIELD + field.name, "")).strip()
        if field.kind == "boolean":
            given[field.name] = text == "true"
        elif text or (field.required and field.kind in ("string", "choice")):
            given[field.name] = _value(field, text)
    return given


def _plain(inner: Any) -> Mapping[str, Any]:
    """Of `X or null` the X."""
    inner = inner if isinstance(inner, dict) else {}
    kinds = [one for one in inner.get("anyOf", ()) if isinstance(one, dict) and one.get("type") != "null"]
    return {**inner, **kinds[0]} if len(kinds) == 1 else inner


def _field(name: str, inner: Mapping[str, Any], required: set[str]) -> Field | None:
    label = str(inner.get("title") or name)
    note = str(inner.get("description") or "")
    choices = inner.get("enum")
    if isinstance(choices, list) and all(isinstance(one, str) for one in choices):
        return Field(name, label, "choice", name in required, note, tuple(choices), inner.get("default"))
    kind = inner.get("type")
    if kind not in _PLAIN:
        return None
    return Field(name, label, str(kind), name in required, note, default=inner.get("default"))


def _value(field: Field, text: str) -> Any:
    try:
        if field.kind == "integer":
            return int(text)
        if field.kind == "number":
            return float(text)
    except ValueError:
        raise BadInput(f"{field.label}: {text} is not a number") from None
    return text
