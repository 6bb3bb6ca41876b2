"""Jobs whose parameters are asked for by name: `input`, `ctx`, `step`. Made by `@client.workflow`."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

from hub.engine.context import Context
from hub.engine.job import Job
from hub.engine.signature import Signature, where
from hub.model.values import Shape

_NAMES = ("input", "ctx", "step")


class JobByName(Job[Any, Any]):
    """A function that names what it wants, in any order."""

    def __init__(self, function: Callable[..., Any], *, name: str, input_schema: Any, output_schema: Any) -> None:
        self._wants = _wanted(function)
        super().__init__(function, name=name, signature=_signature(function, input_schema, output_schema))

    def invoke(self, input: Any, context: Context) -> Any:
        given = {"input": input, "ctx": context}
        if "step" in self._wants:
            given["step"] = context.step
        return self.function(**{name: given[name] for name in self._wants})


def _wanted(function: Callable[..., Any]) -> tuple[str, ...]:
    """Its parameters that have a name of ours. Raises TypeError for one that nobody would fill."""
    wanted = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in _NAMES and parameter.kind is not parameter.POSITIONAL_ONLY:
            wanted.append(parameter.name)
        elif parameter.default is parameter.empty:
            raise TypeError(
                f'{where(function)}: a workflow asks for `input`, `ctx` and `step` by name; "{parameter}" of '
                f"{getattr(function, '__name__', 'the function')} is none of them"
            )
    return tuple(wanted)


def _signature(function: Callable[..., Any], input_schema: Any, output_schema: Any) -> Signature:
    """The shapes that were given; by default of what the function says that it returns."""
    if isinstance(input_schema, Mapping):
        raise TypeError(
            f"{where(function)}: input_schema is a value, not a type: give a pydantic model, a dataclass or a TypedDict"
        )
    try:
        return Signature((), Shape(input_schema), Shape(_output(function) if output_schema is None else output_schema))
    except TypeError as error:
        raise TypeError(f"{where(function)}: {error}") from None


def _output(function: Callable[..., Any]) -> Any:
    """What it says that it returns; anything when that cannot be told."""
    try:
        return typing.get_type_hints(function, include_extras=True).get("return", Any)
    except NameError:
        return Any
