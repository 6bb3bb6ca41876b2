"""`typing.TypedDict` before Python 3.12, where pydantic wants the one of typing_extensions.

What pydantic misses there is the way back from a generic one to its parameters. Others are rebuilt here, field by field.
"""

from __future__ import annotations

import functools
import operator
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any

import typing_extensions

_WANTED = (typing.Required, typing.NotRequired)


def portable(annotation: Any, local_names: Mapping[str, Any]) -> Any:
    """The annotation with every `typing.TypedDict` in it as one that pydantic takes."""
    if sys.version_info >= (3, 12):
        return annotation
    return _rebuilt(annotation, dict(local_names), {})


def _rebuilt(annotation: Any, names: dict[str, Any], known: dict[Any, Any]) -> Any:
    if isinstance(annotation, type) and typing.is_typeddict(annotation) and type(annotation).__module__ == "typing":
        return _typed_dict(annotation, names, known)
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if not arguments or origin is typing.Literal:
        return annotation
    if origin is typing.Annotated:
        return typing.Annotated[(_rebuilt(arguments[0], names, known), *arguments[1:])]
    new = tuple(_rebuilt(argument, names, known) for argument in arguments)
    if new == arguments:
        return annotation
    if origin is types.UnionType:
        return functools.reduce(operator.or_, new)
    return annotation.copy_with(new) if hasattr(annotation, "copy_with") else origin[new]


def _typed_dict(annotation: Any, names: dict[str, Any], known: dict[Any, Any]) -> Any:
    if annotation in known:  # it holds itself
        return typing.ForwardRef(annotation.__name__)
    known[annotation] = annotation
    hints = typing.get_type_hints(annotation, localns=names, include_extras=True)
    fields = {}
    for name, hint in hints.items():
        wanted, inner = typing.get_origin(hint), hint
        if wanted in _WANTED:
            (inner,) = typing.get_args(hint)
        else:  # where annotations are texts, this alone does not know what they say
            wanted = typing.Required if name in annotation.__required_keys__ else typing.NotRequired
        fields[name] = wanted[_rebuilt(inner, names, known)]
    make: Any = typing_extensions.TypedDict
    made = make(annotation.__name__, fields)
    made.__module__, made.__doc__ = annotation.__module__, annotation.__doc__
    del known[annotation]
    return made
