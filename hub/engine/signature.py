"""What a job's function asks for and gives back, read from its signature."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from hub.engine.context import Context
from hub.model.values import Shape


class Signature(NamedTuple):
    #: What it takes by position, in this order.
    takes: tuple[Literal["input", "context"], ...]
    input: Shape
    output: Shape


def signature_of(function: Callable[..., Any], local_names: Mapping[str, Any]) -> Signature:
    """Read a function's signature; `local_names` are those that its annotations may use beside its module's.

    Raises TypeError for an annotation that is unknown or has no JSON form, for a parameter that is neither `input` nor `ctx`, and for a
    generator.
    """
    _refuse_no_function(function)
    try:
        hints = typing.get_type_hints(function, localns=dict(local_names), include_extras=True)
    except NameError as error:
        raise TypeError(f"{where(function)}: an annotation of {function.__name__} is unknown: {error}") from None
    takes: list[Literal["input", "context"]] = []
    input_type, default = Any, None
    for parameter in inspect.signature(function).parameters.values():
        if parameter.default is not parameter.empty and parameter.name not in ("input", "ctx"):
            continue
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            raise TypeError(
                f'{where(function)}: a job takes `input` and `ctx` by position; "{parameter}" of {function.__name__} is neither'
            )
        if parameter.name == "ctx" or hints.get(parameter.name) is Context:
            takes.append("context")
        else:
            takes.append("input")
            input_type = hints.get(parameter.name, Any)
            default = None if parameter.default is parameter.empty else parameter.default
    if len(takes) != len(set(takes)):
        raise TypeError(
            f"{where(function)}: a job takes `input` and `ctx`, each at most once; {function.__name__} takes more"
        )
    try:
        return Signature(
            tuple(takes), Shape(input_type, local_names, default), Shape(hints.get("return", Any), local_names)
        )
    except TypeError as error:
        raise TypeError(f"{where(function)}: {error}") from None


def _refuse_no_function(function: Callable[..., Any]) -> None:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{where(function)}: a job returns its result, and {function.__name__} yields")


def where(function: Callable[..., Any]) -> str:
    """`file:line` of a function."""
    code = getattr(function, "__code__", None)
    return "unknown" if code is None else f"{code.co_filename}:{code.co_firstlineno}"
