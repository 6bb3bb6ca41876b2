"""Whether two values are the same to the code that gets them: equal, and of equal types all the way down."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

_PLAIN = (str, int, float, bool, type(None), bytes)


def difference(one: Any, other: Any, path: str = "$") -> tuple[str, Any, Any] | None:
    """The first place where they differ, and what stands there in each; None: they are the same.

    A list is the same as a tuple of the same items: JSON has one kind of them, and where the annotation does not tell
    them apart code does not either.
    """
    if type(one) in _PLAIN:
        return None if type(other) is type(one) and other == one else (path, one, other)
    if (
        isinstance(one, list | tuple)
        and isinstance(other, list | tuple)
        and not _is_named(one)
        and not _is_named(other)
    ):
        if len(one) != len(other):
            return path, one, other
        return _first((f"{path}[{index}]", *pair) for index, pair in enumerate(zip(one, other, strict=True)))
    if type(one) is not type(other):
        return path, one, other
    if isinstance(one, Mapping):
        return _of_mappings(one, other, path)
    fields = _fields(one)
    if fields is not None:
        return _first((f"{path}.{name}", getattr(one, name), getattr(other, name)) for name in fields)
    cannot_be_equal = getattr(type(one), "__eq__", None) is getattr(object, "__eq__", None)
    return None if cannot_be_equal or one == other else (path, one, other)


def _of_mappings(one: Any, other: Any, path: str) -> tuple[str, Any, Any] | None:
    if one.keys() != other.keys():
        return path, one, other
    keys = {key: key for key in other}
    return _first((f"{path}.{key}", key, keys[key]) for key in one) or _first(
        (f"{path}.{key}", value, other[key]) for key, value in one.items()
    )


def _first(pairs: Iterator[tuple[str, Any, Any]]) -> tuple[str, Any, Any] | None:
    for path, one, other in pairs:
        if one is not other and (found := difference(one, other, path)) is not None:
            return found
    return None


def _fields(value: Any) -> list[str] | None:
    """The names under which its parts are found; None: it is not made of parts."""
    if isinstance(value, BaseModel):
        return list(value.__dict__)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [field.name for field in dataclasses.fields(value) if hasattr(value, field.name)]
    if _is_named(value):
        return list(value._fields)
    return None


def _is_named(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")
