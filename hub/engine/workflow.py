"""A workflow: a main job, and the policies that its executions keep."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from hub.engine.job import Job
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
from hub.engine.triggered import Triggered
from hub.model.names import NAME_RULE, is_name

In = TypeVar("In")
Out = TypeVar("Out")


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
