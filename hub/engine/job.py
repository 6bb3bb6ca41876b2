"""A job: a named function whose result is stored once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar

from hub.engine.context import Context
from hub.engine.policies import Duration, RetryPolicy, refuse_other, time_limit
from hub.engine.scope import current
from hub.engine.signature import Signature, signature_of, where
from hub.engine.transactions import in_async_transaction, in_transaction
from hub.engine.triggered import Triggered
from hub.model.names import NAME_RULE, is_name

In = TypeVar("In")
Out = TypeVar("Out")
OnUnknown = Literal["wait", "fail"]


class Job(Generic[In, Out]):
    """A named function whose result is stored once. Made by `@job`."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        retry: RetryPolicy | None = None,
        timeout: Duration | None = None,
        deps: Sequence[Job[Any, Any]] = (),
        transaction: str | None = None,
        at_most_once: bool = False,
        on_unknown: OnUnknown = "wait",
        signature: Signature | None = None,
        local_names: Mapping[str, Any] | None = None,
    ) -> None:
        """`signature` stands in place of what the function's own says; `local_names` are those of its annotations."""
        if isinstance(function, type | Job) or not hasattr(function, "__name__"):
            raise TypeError(f"@job goes on a function, and {function!r} is none; options have names: @job(name=…)")
        refuse_other("retry", retry, RetryPolicy)
        self.function = function
        self.name = function.__name__.replace("_", "-") if name is None else name
        self.retry = retry
        #: Milliseconds; None: no limit.
        self.timeout = time_limit(timeout)
        self.deps = tuple(deps)
        #: The database whose transaction it runs in; None: in none.
        self.transaction = transaction
        #: It is never run a second time by the hub.
        self.at_most_once = at_most_once
        #: What an interruption then comes to: "wait" for somebody who says what became of it, or "fail".
        self.on_unknown = on_unknown
        self.is_async = inspect.iscoroutinefunction(function)
        if not is_name(self.name):
            raise ValueError(f'{where(function)}: "{self.name}" is not a job name: it must be {NAME_RULE}')
        for needed in self.deps:
            if not isinstance(needed, Job):
                raise TypeError(f"{where(function)}: deps of {self.name} holds {needed!r}: it must be made of jobs")
        if at_most_once and (retry is not None or transaction is not None):
            raise ValueError(
                f"{where(function)}: {self.name} is at most once, so it has no retries; and in a transaction no need of it"
            )
        if on_unknown not in ("wait", "fail"):
            raise ValueError(f'{where(function)}: on_unknown is "{on_unknown}": it must be "wait" or "fail"')
        self.takes, self.input, self.output = signature or signature_of(function, local_names or {})
        functools.update_wrapper(self, function)

    def trigger(self, input: In | Mapping[str, Any] | None = None) -> Triggered[Out]:
        """Call it durably from a running job: `await` it in an async job, `.result()` in a plain one.

        It begins at once; several may be under way. Raises NotJson or InvalidArguments when the input cannot be stored.
        """
        scope = current()
        return scope.run.calls.make(scope, self, input)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The plain function, nothing stored: for tests."""
        return self.function(*args, **kwargs)

    def invoke(self, input: Any, context: Context) -> Any:
        """The function with what its signature asks for."""
        if self.transaction is not None:
            within = in_async_transaction if self.is_async else in_transaction
            return within(self.transaction, self._call, input, context)
        return self._call(input, context)

    def _call(self, input: Any, context: Context) -> Any:
        return self.function(*[input if wanted == "input" else context for wanted in self.takes])

    @property
    def where(self) -> str:
        """`file:line` of its function."""
        return where(self.function)

    def __repr__(self) -> str:
        return f"<job {self.name}>"
