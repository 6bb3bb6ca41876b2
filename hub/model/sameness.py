"""Whether two values are the same to the code that gets them: equal, and of equal types all the way down."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

#: Compared by themselves; nothing is in them.
_PLAIN = frozenset((str, int, float, bool, type(None), bytes))

_TEXT = frozenset((str,))

#: Where they differ, below the value itself, and what stands there in each.
_Found = tuple[str, Any, Any]


def difference(one: Any, other: Any) -> _Found | None:
    """The first place where they differ (`$.items[3].at`), and what stands there in each; None: they are the same.

    A list is the same as a tuple of the same items: JSON has one kind of them, and where the annotation does not tell
    them apart code does not either.
    """
    found = _difference(one, other)
    return None if found is None else (f"${found[0]}", *found[1:])


def _difference(one: Any, other: Any) -> _Found | None:
    kind = type(one)
    if kind in _PLAIN:
        return None if type(other) is kind and other == one else ("", one, other)
    if kind is list or (isinstance(one, list | tuple) and not hasattr(one, "_fields")):
        return _of_lists(one, other)
    if type(other) is not kind:
        return "", one, other
    if kind is dict or isinstance(one, Mapping):
        return _of_mappings(one, other)
    fields = _fields(one)
    if fields is not None:
        return _first(fields, [getattr(one, name) for name in fields], [getattr(other, name) for name in fields])
    cannot_be_equal = getattr(kind, "__eq__", None) is getattr(object, "__eq__", None)
    return None if cannot_be_equal or one == other else ("", one, other)


def _of_lists(one: Any, other: Any) -> _Found | None:
    if not isinstance(other, list | tuple) or hasattr(other, "_fields") or len(one) != len(other):
        return "", one, other
    if _all_plain(one, other):
        return None
    return _first(range(len(one)), one, other)


def _of_mappings(one: Any, other: Any) -> _Found | None:
    if one.keys() != other.keys():
        return "", one, other
    keys, values, theirs = list(one), list(one.values()), [other[key] for key in one]
    if not _TEXT.issuperset(map(type, keys)):  # 1 and True are equal keys, and not the same
        found = _first(keys, keys, list(map({key: key for key in other}.__getitem__, keys)))
        if found is not None:
            return found
    return None if _all_plain(values, theirs) else _first(keys, values, theirs)


def _all_plain(one: Any, other: Any) -> bool:
    """Whether these hold plain values alone, and the same ones. Quick: it asks for no path."""
    kinds = list(map(type, one))
    return _PLAIN.issuperset(kinds) and kinds == list(map(type, other)) and all(map(operator.eq, one, other))


def _first(steps: Sequence[Any], one: Sequence[Any], other: Sequence[Any]) -> _Found | None:
    for step, mine, theirs in zip(steps, one, other, strict=True):
        if mine is not theirs and (found := _difference(mine, theirs)) is not None:
            return f"[{step}]{found[0]}" if isinstance(steps, range) else f".{step}{found[0]}", found[1], found[2]
    return None


def _fields(value: Any) -> list[str] | None:
    """The names under which its parts are found; None: it is not made of parts."""
    if isinstance(value, BaseModel):
        return list(value.__dict__)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [field.name for field in dataclasses.fields(value) if hasattr(value, field.name)]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return list(value._fields)
    return None
