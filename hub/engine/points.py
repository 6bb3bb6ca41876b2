"""Wait points: named places where an execution is parked until somebody answers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, overload

from hub.engine.policies import Duration
from hub.engine.scope import current
from hub.engine.triggered import Triggered
from hub.model.durations import milliseconds
from hub.model.names import NAME_RULE, is_name
from hub.model.values import Shape
from hub.model.wait import Patience

Payload = TypeVar("Payload")
Result = TypeVar("Result")


class Missing:
    """No default was given: the wait fails at its timeout."""


MISSING = Missing()


class WaitPoint(Generic[Payload, Result]):
    """A question to somebody, and the place where its answer is waited for. Made by `wait_point(...)`."""

    def __init__(
        self,
        name: str,
        payload: Shape,
        result: Shape,
        *,
        permission: str | None = None,
        parameters: Mapping[str, str] | None = None,
        declared: str = "unknown",
    ) -> None:
        self.name = name
        #: `file:line` of the declaration, for messages.
        self.declared = declared
        self.payload = payload
        self.result = result
        #: What an answer needs beside `wait-point:resolve:NAME`; None: that is enough.
        self.permission = permission
        self._parameters = dict(parameters or {})

    @property
    def key(self) -> str:
        """What is answered to: the name, with its parameters behind it: `approval:order=o-1`."""
        parameters = ",".join(f"{name}={value}" for name, value in sorted(self._parameters.items()))
        return f"{self.name}:{parameters}" if parameters else self.name

    def with_(self, **parameters: str | int) -> WaitPoint[Payload, Result]:
        """The same wait point for one thing, such as `approval.with_(order=input.order_id)`."""
        named = {**self._parameters, **{name: str(value) for name, value in parameters.items()}}
        return WaitPoint(
            self.name,
            self.payload,
            self.result,
            permission=self.permission,
            parameters=named,
            declared=self.declared,
        )

    def wait(
        self,
        payload: Payload | Mapping[str, Any] | None = None,
        *,
        timeout: Duration | None = None,
        default: Result | Mapping[str, Any] | Missing | None = MISSING,
    ) -> Triggered[Result]:
        """Ask, and wait for the answer: `await` it in an async job, `.result()` in a plain one.

        While nothing else runs, the execution is parked and holds nothing. At the timeout it gives `default`, or raises
        WaitTimeout when there is none.
        """
        scope = current()
        asked, _ = self.payload.dump_given(payload)
        scope.run.surroundings.hiding.refuse("the question is", asked)
        fallback = None if isinstance(default, Missing) else self.result.dump(default)[0]
        within = None if timeout is None else milliseconds(timeout)
        return scope.run.waits.wait_for_answer(scope, self, asked, Patience(within, fallback))

    def resolve(
        self, execution_id: str, answer: Result | Mapping[str, Any] | Callable[[Any], Result]
    ) -> Triggered[None]:
        """Answer from another job. A function is given the payload and returns the answer.

        Raises Conflict when it was answered before, InvalidArguments when the answer does not fit.
        """
        scope = current()
        return scope.run.waits.resolve(scope, self, execution_id, answer)

    def same_as(self, other: WaitPoint[Any, Any]) -> bool:
        """Whether both are one declaration, whatever their parameters."""
        return self.result is other.result

    def answer_text(self, answer: Any) -> str:
        """A checked answer as JSON text. Raises NotJson or InvalidArguments."""
        return self.result.dump(answer)[0]

    def __repr__(self) -> str:
        return f"<wait point {self.key}>"


@overload
def wait_point(
    name: str, payload: type[Payload], result: type[Result], *, permission: str | None = None
) -> WaitPoint[Payload, Result]: ...
@overload
def wait_point(name: str, payload: type[Payload], *, permission: str | None = None) -> WaitPoint[Payload, Any]: ...
@overload
def wait_point(name: str, *, result: type[Result], permission: str | None = None) -> WaitPoint[Any, Result]: ...
@overload  # what is no class, such as `int | None`: type checkers cannot tell of it what its values are
def wait_point(
    name: str, payload: Any = ..., result: Any = ..., *, permission: str | None = None
) -> WaitPoint[Any, Any]: ...
def wait_point(
    name: str, payload: Any = Any, result: Any = Any, *, permission: str | None = None
) -> WaitPoint[Any, Any]:
    """Declare a wait point: what is shown to the one who answers, and what an answer must be.

    `permission` is asked of a machine user that answers, beside `wait-point:resolve:NAME`. Raises TypeError for a type that has no
    JSON form.
    """
    if not is_name(name):
        raise ValueError(f'"{name}" is not a wait point name: it must be {NAME_RULE}')
    caller = sys._getframe(1)  # noqa: SLF001 - the place of a declaration, for messages
    declared = f"{caller.f_code.co_filename}:{caller.f_lineno}"
    try:
        return WaitPoint(name, Shape(payload), Shape(result), permission=permission, declared=declared)
    except TypeError as error:
        raise TypeError(f"{declared}: {error}") from None
