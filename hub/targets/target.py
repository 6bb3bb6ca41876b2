"""From an executor's target to the workflow that it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.engine.registry import Registry
from hub.model.errors import BadInput
from hub.model.executor import Executor, GraphqlTarget, HttpTarget, JobTarget, WorkflowTarget
from hub.model.identity import InvokerRef


@dataclass(frozen=True, slots=True)
class Aim:
    """The workflow that an executor starts, as whom, and the expressions that make its arguments."""

    workflow: str
    invoker: InvokerRef | None
    variables: str | Mapping[str, Any] | None


def aim(executor: Executor) -> Aim:
    """Where the executor points. Raises BadInput for a kind of target that this hub does not run."""
    match executor.target:
        case WorkflowTarget(name, invoker, variables):
            return Aim(name, invoker, variables)
        case JobTarget(name, invoker, variables):
            return Aim(job_workflow(name), invoker, variables)
        case HttpTarget() | GraphqlTarget():
            raise BadInput(unsupported(executor) or "")


def unsupported(executor: Executor) -> str | None:
    """Why this hub does not run the executor's target; None when it does."""
    if isinstance(executor.target, HttpTarget | GraphqlTarget):
        kind = "http" if isinstance(executor.target, HttpTarget) else "graphql"
        return f"targets of the kind {kind} are not run yet: aim at a workflow whose job makes the call with httpx."
    return None


def job_workflow(job: str) -> str:
    """The name of the one-job workflow round a job. The dot keeps it apart from names that people give."""
    return f"job.{job}"


def add_job_workflows(registry: Registry, executors: list[Executor]) -> None:
    """Wrap the jobs that executors aim at. Jobs that do not exist are left to the cross-checks."""
    for executor in executors:
        target = executor.target
        if isinstance(target, JobTarget) and target.job_name in registry.jobs:
            registry.wrap_job(job_workflow(target.job_name), target.job_name)
