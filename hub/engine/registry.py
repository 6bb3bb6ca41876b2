"""The jobs and workflows that this process knows, by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hub.engine.authoring import Job, Workflow, where
from hub.engine.revision import revision
from hub.model.errors import BadInput, NotFound


class Registry:
    """Names are unique. Raises BadInput for a second one of the same name, and for cycles in `deps`."""

    def __init__(self, workflows: Iterable[Workflow[Any, Any]] = (), jobs: Iterable[Job[Any, Any]] = ()) -> None:
        self.workflows: dict[str, Workflow[Any, Any]] = {}
        self.jobs: dict[str, Job[Any, Any]] = {}
        self._revisions: dict[str, str] = {}
        for workflow in workflows:
            self.add_workflow(workflow)
        for job in jobs:
            self.add_job(job)

    def add_workflow(self, workflow: Workflow[Any, Any]) -> None:
        known = self.workflows.get(workflow.name)
        if known is workflow:
            return
        if known is not None:
            raise BadInput(f'{workflow.declared}: there is a workflow "{workflow.name}" already, at {known.declared}')
        self.workflows[workflow.name] = workflow
        self.add_job(workflow.main_job)

    def add_job(self, job: Job[Any, Any]) -> None:
        known = self.jobs.get(job.name)
        if known is job:
            return
        if known is not None:
            raise BadInput(
                f'{where(job.function)}: there is a job "{job.name}" already, at {where(known.function)}; '
                "give one of them another name with @job(name=…)"
            )
        _refuse_cycles(job, [])
        self.jobs[job.name] = job
        for needed in job.deps:
            self.add_job(needed)

    def workflow(self, name: str) -> Workflow[Any, Any]:
        """Raises NotFound with the closest name."""
        if name not in self.workflows:
            raise NotFound("workflow", name, self.workflows)
        return self.workflows[name]

    def revision(self, name: str) -> str:
        """The content hash of a workflow's definition."""
        if name not in self._revisions:
            self._revisions[name] = revision(self.workflow(name))
        return self._revisions[name]


def _refuse_cycles(job: Job[Any, Any], above: list[Job[Any, Any]]) -> None:
    if job in above:
        circle = " -> ".join(part.name for part in [*above[above.index(job) :], job])
        raise BadInput(f"{where(job.function)}: jobs need each other in a circle: {circle}")
    for needed in job.deps:
        _refuse_cycles(needed, [*above, job])
