"""How users declare jobs and workflows: `@job`, `workflow(…)`, and starting one by its name."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, overload

from hub.engine.context import Context
from hub.engine.job import Job, OnUnknown
from hub.engine.policies import ConcurrencyPolicy, Debounce, Duration, RateLimit, RetryPolicy
from hub.engine.scope import current
from hub.engine.triggered import Triggered
from hub.engine.workflow import Workflow

In = TypeVar("In")
Out = TypeVar("Out")


@overload
def job(function: Callable[[], Awaitable[Out]], /) -> Job[None, Out]: ...
@overload
def job(function: Callable[[Context], Awaitable[Out]], /) -> Job[None, Out]: ...
@overload
def job(function: Callable[[In], Awaitable[Out]], /) -> Job[In, Out]: ...  # type: ignore[overload-overlap]  # a Context alone has met the one above
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
    @overload
    def __call__(self, function: Callable[[In], Awaitable[Out]], /) -> Job[In, Out]: ...  # type: ignore[overload-overlap]  # likewise
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
