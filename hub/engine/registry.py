"""The jobs, workflows and wait points that this process knows, by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hub.engine.job import Job
from hub.engine.points import WaitPoint
from hub.engine.revision import reachable, revision
from hub.engine.signature import where
from hub.engine.workflow import Workflow
from hub.model.errors import BadInput, NotFound


class Registry:
    """Names are unique. Raises BadInput for a second one of the same name, and for cycles in `deps`."""

    def __init__(self, workflows: Iterable[Workflow[Any, Any]] = (), jobs: Iterable[Job[Any, Any]] = ()) -> None:
        self.workflows: dict[str, Workflow[Any, Any]] = {}
        self.jobs: dict[str, Job[Any, Any]] = {}
        self.wait_points: dict[str, WaitPoint[Any, Any]] = {}
        self._revisions: dict[str, str] = {}
        for workflow in workflows:
            self.add_workflow(workflow)
        for job in jobs:
            self.add_job(job)

    def copy(self) -> Registry:
        """Another one that knows the same, to add to."""
        made = Registry()
        made.workflows, made.jobs = dict(self.workflows), dict(self.jobs)
        made.wait_points, made._revisions = dict(self.wait_points), dict(self._revisions)
        return made

    def add_workflow(self, workflow: Workflow[Any, Any]) -> None:
        known = self.workflows.get(workflow.name)
        if known is workflow:
            return
        if known is not None:
            raise BadInput(f'{workflow.declared}: there is a workflow "{workflow.name}" already, at {known.declared}')
        self.add_job(workflow.main_job)
        self.workflows[workflow.name] = workflow

    def add_job(self, job: Job[Any, Any]) -> None:
        known = self.jobs.get(job.name)
        if known is job:
            return
        if known is not None:
            raise BadInput(
                f'{where(job.function)}: there is a job "{job.name}" already, at {where(known.function)}; '
                "give one of them another name with @job(name=…)"
            )
        _refuse_cycles(job, [], set())
        self.jobs[job.name] = job
        for needed in job.deps:
            self.add_job(needed)

    def add_wait_point(self, point: WaitPoint[Any, Any]) -> None:
        known = self.wait_points.setdefault(point.name, point)
        if not known.same_as(point):
            raise BadInput(
                f'{point.declared}: there is a wait point "{point.name}" already, at {known.declared}; '
                "give one of them another name"
            )

    def wrap_job(self, name: str, job: str) -> None:
        """Add a one-job workflow round a job, under a name that no person can give."""
        if name not in self.workflows:
            self.workflows[name] = Workflow.around(name, self.jobs[job])

    def add_own(self, workflow: Workflow[Any, Any]) -> None:
        """Add a workflow of the hub's own. Its job is nobody else's to trigger, so it has no name here."""
        self.workflows[workflow.name] = workflow

    def workflow(self, name: str) -> Workflow[Any, Any]:
        """Raises NotFound with the closest name."""
        if name not in self.workflows:
            raise NotFound("workflow", name, self.workflows)
        return self.workflows[name]

    def jobs_of(self, name: str) -> list[Job[Any, Any]]:
        """The jobs that a workflow's code can reach, its main job first, then by name."""
        main = self.workflow(name).main_job
        return [main, *sorted(reachable(main) - {main}, key=lambda job: job.name)]

    def revision(self, name: str) -> str:
        """The content hash of a workflow's definition."""
        if name not in self._revisions:
            self._revisions[name] = revision(self.workflow(name))
        return self._revisions[name]


def _refuse_cycles(job: Job[Any, Any], above: list[Job[Any, Any]], clear: set[Job[Any, Any]]) -> None:
    if job in above:
        circle = " -> ".join(part.name for part in [*above[above.index(job) :], job])
        raise BadInput(f"{where(job.function)}: jobs need each other in a circle: {circle}")
    for needed in job.deps:
        if needed not in clear:
            _refuse_cycles(needed, [*above, job], clear)
    clear.add(job)
