"""JSON Schemas that executors bring for the bodies of their webhooks.

Nothing is ever fetched: a schema refers to its own parts only. Messages name places and rules, never what was sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from hub.declare.document import Where
from hub.declare.processor_time import TooLong, within

_MOST_PROBLEMS = 10
#: Seconds of the processor's time for one body. The largest one that is taken has some 100,000 values, which are half a second's
#: work; patterns, alternatives and `uniqueItems` can make it hours.
LONGEST = 2.0
#: What is said of a body that took all of it.
TOO_SLOW = "$: it takes too long to hold it against the schema"
#: Longer lists of what is allowed are not told.
_MOST_LISTED = 12
_REFERENCES = ("$ref", "$dynamicRef")
#: One of each type, to see that the schema comes to an end on it.
_SAMPLES: tuple[Any, ...] = (None, True, 0, "", [], {})


class BodySchema:
    """A compiled schema."""

    def __init__(self, schema: Mapping[str, Any], longest: float = LONGEST) -> None:
        """`longest`: seconds of the processor's time for one body."""
        self._longest = longest
        self._validator = Draft202012Validator(dict(schema))

    def problems(self, value: Any) -> list[str]:
        """Why a JSON value does not fit, at most ten reasons such as `$.items[0].price: type`; empty when it does."""
        try:
            return self.problems_within(self._longest, value)
        except TooLong:
            return [TOO_SLOW]

    def problems_within(self, seconds: float, value: Any) -> list[str]:
        """The same, or TooLong once it has taken so many seconds of the processor's time."""
        errors = self._validator.iter_errors(value)
        try:
            found = within(seconds, lambda: [_told(error) for error in islice(errors, _MOST_PROBLEMS)])
        except TooLong:
            raise
        except Exception as error:
            if _is_our_schema(error):
                return ["$: the schema of this webhook cannot be applied to it"]
            raise
        return sorted(set(found))


def flaws(schema: Mapping[str, Any]) -> list[tuple[Where, str]]:
    """What is wrong with the schema itself, each with the place in it; empty when it can be used."""
    metaschema: Any = Draft202012Validator(Draft202012Validator.META_SCHEMA)
    found = [
        (where := tuple(error.absolute_path), f"not a JSON Schema: {_path(where)} cannot have this value")
        for error in metaschema.iter_errors(schema)
    ]
    found += _outward(schema, ())
    found += _bad_patterns(schema, ())
    if found:
        return found[:_MOST_PROBLEMS]
    compiled = Draft202012Validator(dict(schema))
    try:
        for sample in _SAMPLES:
            any(compiled.iter_errors(sample))
    except Exception as error:
        if not _is_our_schema(error):
            raise
        return [((), "the schema refers to a part of itself that is not there, or to itself without end")]
    return []


def _outward(part: Any, where: Where) -> Iterator[tuple[Where, str]]:
    """References that do not lead to a place in this very schema."""
    for key, item in _items(part):
        if key in _REFERENCES and isinstance(item, str) and not item.startswith("#"):
            yield (*where, key), f'"{key}" may only lead to a part of this schema, beginning with #; nothing is fetched'
        elif key == "$id" and isinstance(item, str) and where:
            yield (*where, key), '"$id" is not allowed inside a schema; refer to its parts with #'
        yield from _outward(item, (*where, key))


def _bad_patterns(part: Any, where: Where) -> Iterator[tuple[Where, str]]:
    for key, item in _items(part):
        patterns = (
            [item] if key == "pattern" else list(item) if key == "patternProperties" and isinstance(item, dict) else []
        )
        for pattern in patterns:
            if isinstance(pattern, str) and not _compiles(pattern):
                yield (*where, key), "this is not a regular expression"
        yield from _bad_patterns(item, (*where, key))


def _items(part: Any) -> list[tuple[str | int, Any]]:
    if isinstance(part, Mapping):
        return list(part.items())
    return list(enumerate(part)) if isinstance(part, list) else []


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _is_our_schema(error: Exception) -> bool:
    """Whether an exception comes of the schema: endless reference, or one that leads nowhere (their class is private)."""
    return isinstance(error, RecursionError | re.error) or "Referencing" in type(error).__name__


def _told(error: ValidationError) -> str:
    return f"{_path(tuple(error.absolute_path))}: {_rule(error)}"


def _rule(error: ValidationError) -> str:
    says: Any = error.validator_value
    match error.validator, says:
        case "required", list():
            given: Any = error.instance
            return "missing " + ", ".join(str(name) for name in says if name not in given)
        case "type", (str() | list()):
            return f"must be {says if isinstance(says, str) else ' or '.join(says)}"
        case "enum", list() if len(says) <= _MOST_LISTED:
            return f"must be one of {', '.join(json.dumps(one, ensure_ascii=False)[:60] for one in says)}"
        case "additionalProperties", False:
            rule: Any = error.schema
            known = [] if "patternProperties" in rule else list(rule.get("properties", ()))
            told = 0 < len(known) <= _MOST_LISTED
            return f"has other members than {', '.join(known)}" if told else "has members that it may not have"
        case "anyOf", list():
            return f"has none of the forms that it may have ({', '.join(dict.fromkeys(map(_kind, says)))})"
        case keyword, (int() | float() | str()) if not isinstance(says, bool):
            return f"{keyword} {says}"
        case keyword, _:
            return f"{keyword} does not hold"


def _kind(rule: Any) -> str:
    named = rule.get("type", "other") if isinstance(rule, Mapping) else "other"
    return named if isinstance(named, str) else " or ".join(map(str, named))


def _path(where: Where) -> str:
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part[:60]}" for part in where)
