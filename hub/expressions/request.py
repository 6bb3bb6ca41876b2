"""What is asked of the evaluator, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.model.errors import ExpressionError


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression sees. JSON values only: they are copied into the child as text."""

    args: Mapping[str, Any]
    context: Mapping[str, Any]
    env: Mapping[str, Any]
    #: The one instant that `Date` knows, milliseconds since 1970 UTC.
    now: int
    #: Decides every `Math.random()`; the event's id.
    seed: str


@dataclass(frozen=True, slots=True)
class Request:
    """One delivery's expressions."""

    scope: Scope
    #: A falsy value means that the variables are not evaluated. None: always.
    condition: str | None
    #: An expression, or a mapping whose strings may hold `${{ expression }}`; None: `{}`.
    variables: str | Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What came of a request."""

    #: Whether the condition was truthy. True without a condition; False when anything failed.
    matched: bool
    #: A JSON value, when matched; `{}` for undefined and null.
    variables: Any = None
    #: The condition's value for people who ask why; None when there is none, when it has no JSON or is long.
    condition_value: Any = None
    #: The first thing that failed. Its message begins with `condition` or with the path in `variables`.
    error: ExpressionError | None = None
