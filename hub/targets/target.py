"""From an executor's target to the workflow that it starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub.engine.registry import Registry
from hub.model.executor import Executor, GraphqlTarget, HttpTarget, JobTarget, WorkflowTarget
from hub.model.identity import InvokerRef
from hub.targets.calling import call_name, call_workflow
from hub.targets.outgoing import Outgoing
from hub.targets.request import Fill, template


@dataclass(frozen=True, slots=True)
class Aim:
    """The workflow that an executor starts, as whom, and the expressions that make its arguments."""

    workflow: str
    invoker: InvokerRef | None
    variables: str | Mapping[str, Any] | None


def aim(executor: Executor) -> Aim:
    """Where the executor points. Outgoing calls act as nobody: they reach nothing of this project."""
    match executor.target:
        case WorkflowTarget(name, invoker, variables):
            return Aim(name, invoker, variables)
        case JobTarget(name, invoker, variables):
            return Aim(job_workflow(name), invoker, variables)
        case HttpTarget() | GraphqlTarget() as target:
            return Aim(call_name(executor), None, template(target))


def job_workflow(job: str) -> str:
    """The name of the one-job workflow round a job. The dot keeps it apart from names that people give."""
    return f"job.{job}"


def add_workflows(
    registry: Registry,
    executors: Sequence[Executor],
    outgoing: Callable[[], Outgoing],
    fill: Callable[[Executor], Fill],
    hide: Callable[[Any], Any],
) -> None:
    """Make the workflows of jobs and calls that executors aim at. Jobs that do not exist are left to the cross-checks.

    `outgoing` gives the client of the loop that jobs run in; `fill(executor)` fills references in, and raises HubError; `hide` takes
    the secrets among them out of an answer.
    """
    for executor in executors:
        target = executor.target
        if isinstance(target, HttpTarget | GraphqlTarget):
            registry.add_own(call_workflow(executor, outgoing, fill(executor), hide))
        if isinstance(target, JobTarget) and target.job_name in registry.jobs:
            registry.wrap_job(job_workflow(target.job_name), target.job_name)
