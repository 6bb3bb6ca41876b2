"""Steps: durable work inside one job, without a job of its own: `ctx.step`."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, overload

from hub.engine.choosing import AllOf, FirstOf, first_of
from hub.engine.job import Job, OnUnknown
from hub.engine.points import MISSING, Missing
from hub.engine.policies import Duration, RetryPolicy
from hub.engine.scope import current
from hub.engine.signature import where
from hub.engine.triggered import Triggered
from hub.engine.workflow import Workflow
from hub.model.clock import from_iso
from hub.model.durations import milliseconds
from hub.model.errors import BadInput
from hub.model.names import is_label
from hub.model.values import Shape, canonical
from hub.model.wait import Patience

if TYPE_CHECKING:
    from hub.engine.context import Context
    from hub.engine.runner import Run


Out = TypeVar("Out")


class Steps:
    """What a job can do durably by itself. Each call is `await`ed in an async job, `.result()`ed in a plain one."""

    __slots__ = ("_run",)

    def __init__(self, run: Run) -> None:
        self._run = run

    @overload
    def run(
        self,
        name: str,
        function: Callable[..., Awaitable[Out]],
        *args: Any,
        retry: RetryPolicy | None = None,
        timeout: Duration | None = None,
        transaction: str | None = None,
        at_most_once: bool = False,
        on_unknown: OnUnknown = "wait",
    ) -> Triggered[Out]: ...
    @overload
    def run(
        self,
        name: str,
        function: Callable[..., Out],
        *args: Any,
        retry: RetryPolicy | None = None,
        timeout: Duration | None = None,
        transaction: str | None = None,
        at_most_once: bool = False,
        on_unknown: OnUnknown = "wait",
    ) -> Triggered[Out]: ...
    def run(
        self,
        name: str,
        function: Callable[..., Any],
        *args: Any,
        retry: RetryPolicy | None = None,
        timeout: Duration | None = None,
        transaction: str | None = None,
        at_most_once: bool = False,
        on_unknown: OnUnknown = "wait",
    ) -> Triggered[Any]:
        """Call a function and store its result: after a restart it is not called again.

        The function may be `async def`, `def` (it runs in a thread) or a lambda. Its arguments and result are JSON.
        `transaction`, `at_most_once` and `on_unknown` are those of a job; with `transaction="shop"` the function is given that
        database's transaction before its arguments, and its result is committed together with what it writes.
        """
        scope = current()
        step = _StepJob(
            name, function, retry, timeout, transaction=transaction, at_most_once=at_most_once, on_unknown=on_unknown
        )
        return scope.run.calls.make(scope, step, list(args))

    def sleep(self, name: str, duration: Duration) -> Triggered[None]:
        """Sleep durably: a restart does not begin it again, and a parked execution holds nothing."""
        scope = current()
        return scope.run.waits.sleep(scope, name, scope.run.now() + milliseconds(duration))

    def sleep_until(self, name: str, moment: datetime | str) -> Triggered[None]:
        """Sleep until an instant: a datetime or an ISO 8601 text; without an offset it is UTC."""
        scope = current()
        return scope.run.waits.sleep(scope, name, _instant(moment))

    def wait_for_signal(
        self,
        name: str,
        *,
        timeout: Duration | None = None,
        default: Any | Missing = MISSING,
        look_back: Duration | None = None,
    ) -> Triggered[Any]:
        """The payload of a signal. One sent earlier that nobody has taken counts; with `look_back` only a recent one.

        At the timeout it gives `default`, or raises WaitTimeout.
        """
        scope = current()
        since = None if look_back is None else milliseconds(look_back)
        return scope.run.waits.wait_for_signal(scope, name, _patience(timeout, default), since)

    def send_signal(
        self, name: str, payload: Any = None, *, to_all: bool = False, execution_id: str | None = None
    ) -> Triggered[int]:
        """Send a signal to the one that has waited longest, else to the next to come; or to all that wait."""
        scope = current()
        return scope.run.waits.send_signal(scope, name, payload, to_all=to_all, execution_id=execution_id)

    def wait_for_execution(
        self, execution_id: str, *, timeout: Duration | None = None, default: Any | Missing = MISSING
    ) -> Triggered[Any]:
        """The result of another execution, as JSON, once that has ended; it goes on whatever becomes of this one.

        Raises JobFailed with its error when it failed, was cancelled, or is not there. At the timeout it gives `default`,
        or raises WaitTimeout.
        """
        scope = current()
        return scope.run.waits.wait_for_execution(scope, execution_id, _patience(timeout, default))

    def first(self, **waits: Triggered[Any]) -> FirstOf:
        """The first of several waits: `name, value = await ctx.step.first(paid=…, late=…)`.

        Each is a signal, a wait point, a sleep, an invoked workflow or another execution, just begun. The others are
        dropped: they take no signal and no answer any more, and what a dropped one invoked goes on by itself. When the first
        one failed, its error is raised.
        """
        return first_of(current(), waits)

    def all(self, **calls: Triggered[Any]) -> AllOf:
        """The results of several calls by name, once all have ended. Then raises the failure of the first that failed."""
        return AllOf(calls)

    def invoke(
        self,
        workflow: Workflow[Any, Any] | str,
        args: Any = None,
        *,
        invoker: str | Mapping[str, str] | None = None,
    ) -> Triggered[Any]:
        """Start another workflow as a child, wait for it, and have its result. A cancel reaches it.

        Raises JobFailed when it fails.
        """
        scope = current()
        if isinstance(workflow, Job):
            raise BadInput(
                f"{workflow.name} is a job, not a workflow: write {workflow.name.replace('-', '_')}.trigger(…)."
            )
        name = workflow if isinstance(workflow, str) else workflow.name
        return scope.run.others.invoke(scope, name, args, invoker)


class _StepJob(Job[Any, Any]):
    """A function as a call of its own, under a name that need not be a job's."""

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        retry: RetryPolicy | None,
        timeout: Duration | None,
        *,
        transaction: str | None,
        at_most_once: bool,
        on_unknown: OnUnknown,
    ) -> None:
        if not is_label(name) or "/" in name:
            raise ValueError(
                f'{name!r} is not a step name: it must be a text that is not empty and holds no "/" and no NUL'
            )
        if not callable(function):
            raise TypeError(
                f'the step "{name}" is given {type(function).__name__}: give it a function, and its arguments behind'
            )
        super().__init__(
            _step_body,
            name="a-step",
            retry=retry,
            timeout=timeout,
            transaction=transaction,
            at_most_once=at_most_once,
            on_unknown=on_unknown,
        )
        self.name = name
        self.input = self.output = Shape()
        self._step = function
        self.is_async = function.is_async if isinstance(function, Job) else inspect.iscoroutinefunction(function)

    @property
    def where(self) -> str:
        return where(self._step)

    def _call(self, input: Any, context: Context) -> Any:
        given = () if self.transaction is None else (context.transaction,)
        return self._step(*given, *input)


def _patience(timeout: Duration | None, default: Any | Missing) -> Patience:
    return Patience(
        None if timeout is None else milliseconds(timeout), None if isinstance(default, Missing) else canonical(default)
    )


def _instant(moment: datetime | str) -> int:
    """Milliseconds. Raises ValueError for what is no instant."""
    try:
        return from_iso(moment.isoformat() if isinstance(moment, datetime) else moment)
    except (TypeError, ValueError):
        raise ValueError(
            f'{moment!r} is not an instant: give a datetime, or a text such as "2026-03-29T09:00:00Z"'
        ) from None


def _step_body() -> None:
    """Stands for the signature: a step takes and gives plain JSON."""
