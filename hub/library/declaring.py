"""What a program says of its workflows before it starts any."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol, TypeVar, overload

from hub.engine.by_name import JobByName
from hub.engine.job import Job
from hub.engine.points import WaitPoint
from hub.engine.policies import ConcurrencyPolicy, Debounce, Duration, RateLimit, RetryPolicy
from hub.engine.registry import Registry
from hub.engine.workflow import Workflow

Out = TypeVar("Out")


class _Decorator(Protocol):
    @overload
    def __call__(self, function: Callable[..., Awaitable[Out]], /) -> Workflow[Any, Out]: ...
    @overload
    def __call__(self, function: Callable[..., Out], /) -> Workflow[Any, Out]: ...


class Declaring:
    """The workflows and wait points of one client."""

    def __init__(self, workflows: Iterable[Workflow[Any, Any]]) -> None:
        self._registry = Registry(workflows)

    def workflow(
        self,
        id: str,
        *,
        input_schema: Any = Any,
        output_schema: Any = None,
        retry_policy: RetryPolicy | None = None,
        concurrency_policy: ConcurrencyPolicy | None = None,
        timeout: Duration | None = None,
        priority: int = 0,
        debounce: Debounce | None = None,
        rate_limit: RateLimit | None = None,
    ) -> _Decorator:
        """Make a function a workflow. It asks for `ctx`, `step` and `input` by name, and is `async def` or `def`.

        `input_schema` is a type: a pydantic model, a dataclass, a TypedDict, …; by default any JSON is taken.
        `output_schema` is by default the annotation of what it returns. Raises ValueError for an id that is no name,
        TypeError for a parameter or type that cannot be used, BadInput when there is such a workflow already.
        """

        def declare(function: Callable[..., Any]) -> Workflow[Any, Any]:
            main = JobByName(function, name=id, input_schema=input_schema, output_schema=output_schema)
            declared = Workflow(
                id,
                main,
                retry_policy,
                concurrency_policy,
                timeout,
                priority=priority,
                debounce=debounce,
                rate_limit=rate_limit,
            )
            self._registry.add_workflow(declared)
            return declared

        return declare

    def add(self, *declared: Workflow[Any, Any] | WaitPoint[Any, Any] | Job[Any, Any]) -> None:
        """Take in what was made with `workflow(...)`, `wait_point(...)`, and `@job` for `ctx.jobs`. Raises BadInput for a second one of
        a name.
        """
        for one in declared:
            if isinstance(one, WaitPoint):
                self._registry.add_wait_point(one)
            elif isinstance(one, Job):
                self._registry.add_job(one)
            else:
                self._registry.add_workflow(self._checked(one))

    @staticmethod
    def _checked(workflow: Workflow[Any, Any]) -> Workflow[Any, Any]:
        if not isinstance(workflow, Workflow):
            raise TypeError(f"{workflow!r} is no workflow: make one with workflow(…) or @client.workflow(id=…)")
        return workflow
