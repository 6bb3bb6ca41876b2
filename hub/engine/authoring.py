"""What users write: jobs and workflows."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, Literal, Protocol, TypeVar, overload

from hub.engine.context import Context
from hub.engine.policies import (
    ConcurrencyPolicy,
    Debounce,
    Duration,
    RateLimit,
    RetryPolicy,
    checked_priority,
    refuse_other,
    time_limit,
)
from hub.engine.scope import current
from hub.engine.signature import Signature, signature_of, where
from hub.engine.transactions import in_transaction
from hub.engine.triggered import Triggered
from hub.model.names import NAME_RULE, is_name

In = TypeVar("In")
OnUnknown = Literal["wait", "fail"]
Out = TypeVar("Out")


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
            return in_transaction(self.transaction, self.is_async, self._call, input, context)
        return self._call(input, context)

    def _call(self, input: Any, context: Context) -> Any:
        return self.function(*[input if wanted == "input" else context for wanted in self.takes])

    def __repr__(self) -> str:
        return f"<job {self.name}>"


class Workflow(Generic[In, Out]):
    """A named main job with policies. Made by `workflow(...)`."""

    def __init__(
        self,
        name: str,
        main_job: Job[In, Out],
        retry_policy: RetryPolicy | None = None,
        concurrency_policy: ConcurrencyPolicy | None = None,
        timeout: Duration | None = None,
        *,
        priority: int = 0,
        debounce: Debounce | None = None,
        rate_limit: RateLimit | None = None,
    ) -> None:
        #: `file:line` of the declaration, for messages.
        self.declared = _caller()
        if not is_name(name):
            raise ValueError(f'{self.declared}: "{name}" is not a workflow name: it must be {NAME_RULE}')
        if not isinstance(main_job, Job):
            raise TypeError(
                f'{self.declared}: main_job of the workflow "{name}" must be a job; put @job on the function'
            )
        if main_job.at_most_once:
            raise ValueError(
                f'{self.declared}: {main_job.name} is at most once, so it cannot be the main job of "{name}": let another '
                "job call it"
            )
        refuse_other("retry_policy", retry_policy, RetryPolicy)
        refuse_other("concurrency_policy", concurrency_policy, ConcurrencyPolicy)
        refuse_other("debounce", debounce, Debounce)
        refuse_other("rate_limit", rate_limit, RateLimit)
        self.name = name
        self.main_job = main_job
        #: What makes it what it is, beside code and policies.
        self.definition = ""
        self.retry_policy = retry_policy
        self.concurrency_policy = concurrency_policy
        self.timeout = time_limit(timeout)
        #: Of its executions that are due the higher begin first.
        self.priority = checked_priority(priority)
        self.debounce = debounce
        self.rate_limit = rate_limit

    @classmethod
    def around(cls, name: str, main_job: Job[In, Out], definition: str = "") -> Workflow[In, Out]:
        """A one-job workflow of the hub's own; its name need not be one that people may give.

        `definition` is what belongs to it beside the job's code, and so to its revision.
        """
        made = cls(main_job.name, _caller_of(main_job) if main_job.at_most_once else main_job)
        made.name = name
        made.definition = definition
        return made

    def trigger(
        self,
        args: In | Mapping[str, Any] | None = None,
        invoker: str | None = None,
        idempotency_key: str | None = None,
        *,
        priority: int | None = None,
    ) -> Triggered[str]:
        """Start another execution from a running job; its id comes back.

        `invoker` names a machine user of the running invoker's namespace; by default the execution acts as the
        invoker of this one. `priority` takes the place of the workflow's own. Raises BadInput for one out of bounds, and Refused when that one may not start the workflow.
        """
        scope = current()
        return scope.run.others.start(scope, self.name, args, invoker, idempotency_key, priority)

    def __repr__(self) -> str:
        return f"<workflow {self.name}>"


@overload
def job(function: Callable[[], Awaitable[Out]], /) -> Job[None, Out]: ...
@overload
def job(function: Callable[[Context], Awaitable[Out]], /) -> Job[None, Out]: ...
@overload  # a function of a Context alone has met the one above
def job(function: Callable[[In], Awaitable[Out]], /) -> Job[In, Out]: ...  # type: ignore[overload-overlap]
@overload
def job(function: Callable[[In, Context], Awaitable[Out]], /) -> Job[In, Out]: ...
@overload
def job(function: Callable[[], Out], /) -> Job[None, Out]: ...
@overload
def job(function: Callable[[Context], Out], /) -> Job[None, Out]: ...
@overload
def job(function: Callable[[In], Out], /) -> Job[In, Out]: ...
@overload
def job(function: Callable[[In, Context], Out], /) -> Job[In, Out]: ...
@overload
def job(
    *,
    name: str | None = None,
    retry: RetryPolicy | None = None,
    timeout: Duration | None = None,
    deps: Sequence[Job[Any, Any]] = (),
    transaction: str | None = None,
    at_most_once: bool = False,
    on_unknown: OnUnknown = "wait",
) -> _Decorator: ...
def job(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    retry: RetryPolicy | None = None,
    timeout: Duration | None = None,
    deps: Sequence[Job[Any, Any]] = (),
    transaction: str | None = None,
    at_most_once: bool = False,
    on_unknown: OnUnknown = "wait",
) -> Any:
    """Make a function a job. It takes `input` and `ctx`, either or none, and is `async def` or `def`.

    The default name is the function's, with `_` as `-`. With `transaction` it runs in a transaction of that database of
    config/hub.yaml, `ctx.transaction`, and its result is committed together with its writes.

    With `at_most_once` its beginning is durable before it begins, and the hub never runs it a second time: one that was
    interrupted is unknown. Then the execution waits until somebody says what became of it (`hub workflow settle`), or with
    `on_unknown="fail"` the call raises OutcomeUnknown. It makes no durable calls itself. Raises TypeError where an
    annotation has no JSON form.
    """
    local_names = sys._getframe(1).f_locals  # noqa: SLF001 - types declared beside the function
    if function is not None:
        return Job(function, local_names=local_names)
    return lambda given: Job(
        given,
        name=name,
        retry=retry,
        timeout=timeout,
        deps=deps,
        transaction=transaction,
        at_most_once=at_most_once,
        on_unknown=on_unknown,
        local_names=local_names,
    )


class _Decorator(Protocol):
    @overload
    def __call__(self, function: Callable[[], Awaitable[Out]], /) -> Job[None, Out]: ...
    @overload
    def __call__(self, function: Callable[[Context], Awaitable[Out]], /) -> Job[None, Out]: ...
    @overload  # likewise
    def __call__(self, function: Callable[[In], Awaitable[Out]], /) -> Job[In, Out]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, function: Callable[[In, Context], Awaitable[Out]], /) -> Job[In, Out]: ...
    @overload
    def __call__(self, function: Callable[[], Out], /) -> Job[None, Out]: ...
    @overload
    def __call__(self, function: Callable[[Context], Out], /) -> Job[None, Out]: ...
    @overload
    def __call__(self, function: Callable[[In], Out], /) -> Job[In, Out]: ...
    @overload
    def __call__(self, function: Callable[[In, Context], Out], /) -> Job[In, Out]: ...


def workflow(
    name: str,
    main_job: Job[In, Out],
    retry_policy: RetryPolicy | None = None,
    concurrency_policy: ConcurrencyPolicy | None = None,
    timeout: Duration | None = None,
    *,
    priority: int = 0,
    debounce: Debounce | None = None,
    rate_limit: RateLimit | None = None,
) -> Workflow[In, Out]:
    """Declare a workflow: a main job and its policies. Of its executions that are due, those of a higher priority begin first."""
    return Workflow(
        name,
        main_job,
        retry_policy,
        concurrency_policy,
        timeout,
        priority=priority,
        debounce=debounce,
        rate_limit=rate_limit,
    )


def trigger_workflow(
    name: str,
    args: Any = None,
    *,
    auth_invoker: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
    priority: int | None = None,
) -> Triggered[str]:
    """`workflow.trigger` by name. `auth_invoker` is {"namespace": …, "machine_user_name": …}."""
    scope = current()
    return scope.run.others.start(scope, name, args, auth_invoker, idempotency_key, priority)


def _caller_of(called: Job[In, Out]) -> Job[In, Out]:
    """A job that calls another one, and nothing else."""

    async def call(input: Any) -> Any:
        return await called.trigger(input)

    made: Job[In, Out] = Job(call, name=called.name)
    made.input, made.output = called.input, called.output
    return made


def _caller() -> str:
    """`file:line` of the first frame outside the hub."""
    frame = sys._getframe(1)  # noqa: SLF001 - the place of a declaration, for messages
    while frame.f_globals.get("__name__", "").startswith("hub.") and frame.f_back is not None:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
