"""Values held against the JSON Schema of their kind, with every error as a sentence at its place.

The schemas are written for editors and for this file alike: `x-expected` says in words what a value should be, `x-missing`
what to do about a key that is not there. No message holds a value, because any value may be a secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

from hub.declare.document import Document, Where, shown
from hub.model.executor import Position, Problem
from hub.model.names import advice, closest

Kind = Literal["executor", "config"]

_NAMES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}

Found = tuple[Position, str]


@dataclass(frozen=True, slots=True)
class _Mismatch:
    """What jsonschema found, as plain values."""

    where: Where
    #: The keyword of the schema that does not hold, and what it says.
    keyword: str
    says: Any
    #: The whole schema that the keyword stands in.
    rule: Mapping[str, Any]
    instance: Any
    #: The instance is a key of the mapping at `where`.
    is_key: bool


def schema(kind: Kind) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of an executor or of hub.yaml; a fresh copy."""
    text = (files("hub.declare") / "schemas" / f"{kind}.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def check(document: Document, kind: Kind) -> list[Problem]:
    """Every way in which the document differs from what its kind may say."""
    if not document.complete:
        return []
    found = {
        Problem(position, message)
        for one in _mismatches(_validator(kind), document.value)
        if _counts(one, document)
        for position, message in _explain(one, document)
    }
    return sorted(found)


def mismatches(value: Any, kind: Kind) -> dict[Where, str]:
    """Where a value with everything filled in does not fit, and what was expected there."""
    return {one.where: _expected(one.rule) for one in _mismatches(_validator(kind, filled=True), value)}


def refused(value: Any, kind: Kind) -> Iterator[Where]:
    """What has to be left out of a value, with everything filled in, so that the rest may fit: places of keys and of values."""
    for one in _mismatches(_validator(kind, filled=True), value):
        if one.is_key:
            yield (*one.where, one.instance)
        elif one.keyword == "additionalProperties":
            known = one.rule.get("properties", {})
            yield from ((*one.where, key) for key in one.instance if key not in known)
        elif one.where:
            yield one.where


def _mismatches(validator: Any, value: Any) -> Iterator[_Mismatch]:
    for error in validator.iter_errors(value):
        yield _Mismatch(
            where=tuple(error.absolute_path),
            keyword=str(error.validator),
            says=error.validator_value,
            rule=error.schema if isinstance(error.schema, Mapping) else {},
            instance=error.instance,
            is_key="propertyNames" in error.absolute_schema_path,
        )


@cache
def _validator(kind: Kind, *, filled: bool = False) -> Any:
    """The compiled validator. With `filled` a reference is no longer taken for whatever it may stand for."""
    loaded = schema(kind)
    if filled:
        loaded["$defs"]["reference"] = False
    return _Validator(loaded)


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _compiled(pattern).search(instance):
        yield ValidationError("pattern")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # In JSON Schema `$` is the end of the text; in Python a line break may still follow.
    return re.compile(pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern)


_Validator: Any = validators.extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]  # the stubs leave it untyped


def _counts(one: _Mismatch, document: Document) -> bool:
    if any(one.where[:length] in document.holes for length in range(len(one.where) + 1)):
        return False
    return not (one.keyword in {"required", "oneOf", "anyOf"} and one.where in document.incomplete)


def _explain(one: _Mismatch, document: Document) -> Iterable[Found]:
    if one.is_key:
        return _bad_key(one, document)
    return _EXPLAIN.get(one.keyword, _wrong_value)(one, document)


def _bad_key(one: _Mismatch, document: Document) -> Iterator[Found]:
    key = str(one.instance)
    yield document.key_at((*one.where, key)), f"the key {shown(key)} must be {_expected(one.rule)}"


def _unknown_key(one: _Mismatch, document: Document) -> Iterator[Found]:
    known = sorted(one.rule.get("properties", {}))
    for key in one.instance:
        if key not in known:
            yield document.key_at((*one.where, key)), f"unknown key {shown(key)}. {advice(key, known)}"


def _missing_key(one: _Mismatch, document: Document) -> Iterator[Found]:
    hints: Mapping[str, str] = one.rule.get("x-missing", {})
    for key in one.says:
        if key not in one.instance:
            hint = f": {hints[key]}" if key in hints else ""
            yield document.key_at(one.where), f'missing key "{key}"{_inside(one.where)}{hint}'


def _one_of_keys(one: _Mismatch, document: Document) -> Iterator[Found]:
    """Exactly one of several keys (`oneOf`), or at least one of them (`anyOf`)."""
    if not isinstance(one.instance, dict):
        return  # that it is no mapping is reported by itself
    choices = _choices(one.says)
    present = [key for key in one.instance if key in choices]
    if not present:
        known = set(one.rule.get("properties", {}))
        if any(key not in known and closest(key, choices) for key in one.instance):
            return  # the misspelt key is reported by itself
        yield document.key_at(one.where), f"missing key{_inside(one.where)}: write {_listed(choices, 'or')}"
    for key in present[1:]:
        both = f'"{present[0]}" and "{key}"'
        message = f"{dotted(one.where)} has both {both}; exactly one of {_listed(choices, 'or')} is allowed"
        yield document.key_at((*one.where, key)), message


def _alternatives(one: _Mismatch, document: Document) -> Iterable[Found]:
    return _one_of_keys(one, document) if _choices(one.says) else _wrong_value(one, document)


def _wrong_value(one: _Mismatch, document: Document) -> Iterator[Found]:
    message = f"expected {_expected(one.rule)}"
    if _type_differs(one.rule, one.instance):
        message += f", found {_found(one.instance)}"
        if "string" in _types(one.rule) and isinstance(one.instance, bool | int | float):
            message += "; put it in quotes"
    elif one.instance == "":
        message += ", found an empty text"
    elif near := _nearest(one.rule, one.instance):
        message += f'. Did you mean "{near}"?'
    prefix = f"{dotted(one.where)}: " if one.where else ""
    yield document.at(one.where), prefix + message


_EXPLAIN: Mapping[str, Callable[[_Mismatch, Document], Iterable[Found]]] = {
    "additionalProperties": _unknown_key,
    "required": _missing_key,
    "oneOf": _alternatives,
    "anyOf": _alternatives,
}


def _choices(alternatives: Any) -> list[str]:
    """The keys of `[{required: [a]}, {required: [b]}]`; empty for any other alternatives."""
    if all(isinstance(one, dict) and set(one) == {"required"} for one in alternatives):
        return [one["required"][0] for one in alternatives]
    return []


def _first(rule: Mapping[str, Any]) -> Mapping[str, Any]:
    """The rule without its alternative "or a reference"."""
    first: Mapping[str, Any] = rule["anyOf"][0] if "anyOf" in rule else rule
    return first


def _expected(rule: Any) -> str:
    if not isinstance(rule, Mapping):
        return "something else"
    if "x-expected" in rule:
        return str(rule["x-expected"])
    first = _first(rule)
    if "enum" in first:
        return _listed(first["enum"], "or")
    if rule.get("type") == "array" and "minItems" in rule:
        most = rule.get("maxItems")
        return "a list of " + (f"{rule['minItems']} to {most} items" if most else "at least one item")
    return " or ".join(_NAMES[one] for one in _types(rule) if one in _NAMES) or "something else"


def _types(rule: Any) -> list[str]:
    kinds: list[str] = []
    for one in [rule] if "type" in rule else rule.get("anyOf", [rule]):
        kind = one.get("type", [])
        kinds += [kind] if isinstance(kind, str) else kind
        if "enum" in one:
            kinds.append("string")
    return kinds


def _type_differs(rule: Any, instance: Any) -> bool:
    kinds = _types(rule)
    return bool(kinds) and not any(Draft202012Validator.TYPE_CHECKER.is_type(instance, kind) for kind in kinds)


def _nearest(rule: Any, instance: Any) -> str | None:
    known = {str(one).lower(): str(one) for one in _first(rule).get("enum", ())}
    near = closest(instance.lower(), known) if isinstance(instance, str) else None
    return None if near is None else known[near]


def _found(instance: Any) -> str:
    match instance:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "a mapping"


def _listed(names: Iterable[str], word: str) -> str:
    """`"a", "b" or "c"`."""
    quoted = [f'"{name}"' for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {word} {quoted[-1]}"


def _inside(where: Where) -> str:
    return f" in {dotted(where)}" if where else ""


def dotted(where: Where) -> str:
    """`trigger.event.type[1]`; keys of people's own choosing are shortened."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{_word(part)}" for part in where)
    return text.removeprefix(".")


def _word(key: str) -> str:
    return key if re.fullmatch(r"[\w-]{1,63}", key) else shown(key)
