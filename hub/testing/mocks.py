"""Jobs that do something else during a test."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from hub.engine.context import Context
from hub.engine.job import Job


class Mock:
    """What stands in for a job. Its result is checked and stored like the job's own."""

    def __init__(self, job: Job[Any, Any], instead: Any) -> None:
        self._job = job
        self._instead = instead
        #: The inputs with which the job was called, in order; a try is a call.
        self.calls: list[Any] = []

    def begin(self) -> None:
        vars(self._job)["invoke"] = self._invoke_async if self._job.is_async else self._invoke

    def end(self) -> None:
        """Give the job its own function back."""
        vars(self._job).pop("invoke", None)

    def _invoke(self, input: Any, context: Context) -> Any:
        self.calls.append(input)
        instead = self._instead
        if isinstance(instead, BaseException) or (isinstance(instead, type) and issubclass(instead, BaseException)):
            raise instead
        return _called(instead, input, context) if callable(instead) else instead

    async def _invoke_async(self, input: Any, context: Context) -> Any:
        found = self._invoke(input, context)
        return await found if inspect.isawaitable(found) else found


def _called(function: Callable[..., Any], input: Any, context: Context) -> Any:
    """Call the stand-in with as many of input and context as it takes."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # some built-in functions do not say
        return function(input)
    by_place = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return function(input, context)
    return function(*(input, context)[: len(by_place)])
