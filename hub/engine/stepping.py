"""Runs a job's coroutine inside the task of whoever awaits it, with context variables of its own."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from contextvars import Context as Variables
from types import coroutine
from typing import Any, TypeVar

from hub.engine.scope import Scope

R = TypeVar("R")


@coroutine
def stepped(scope: Scope, body: Coroutine[Any, Any, R], variables: Variables) -> Generator[Any, None, R]:
    """Await the body of the scope's job. The scope is told when it goes on, and when it comes to a halt or to its end."""
    resume: Callable[[Any], Any] = body.send
    given: BaseException | None = None
    while True:
        scope.at_work = True
        try:
            asked = variables.run(resume, given)
        except StopIteration as ended:
            found: R = ended.value
            return found
        finally:
            given = None  # its traceback holds this frame
            scope.halt()
        try:
            yield asked
            resume = body.send
        except BaseException as error:  # noqa: BLE001 - it is the body's, whatever it is
            resume, given = body.throw, error
