"""Going on: resume under the same id, also with another input, fork from a call on, and say what became of a call.

Who may is the client's business; here nobody is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hub.engine.job import Job
from hub.engine.points import MISSING, Missing
from hub.engine.registry import Registry
from hub.engine.starting import checked_args, concurrency_key
from hub.model.audit import AuditEntry
from hub.model.call_errors import call_error
from hub.model.clock import Clock, new_id
from hub.model.errors import BadInput, ExecutionNotFound, NotFound
from hub.model.execution import Checkpoint, ExecutionRecord, JobStatus, Started, StartRequest, Status
from hub.model.values import canonical
from hub.store import Store
from hub.store.outcomes import Outcome
from hub.store.resuming import Fork


@dataclass(frozen=True, slots=True)
class Failed:
    """A person's word that a call had no effect."""

    message: str


class Again(Enum):
    """A person's word that a call is to be made again."""

    AGAIN = "again"


def said(result: Any | Missing, failed: str | None, again: bool) -> Any | Failed | Again:
    """What a person says of a call, from one of three. Raises BadInput for none or several."""
    if (not isinstance(result, Missing)) + (failed is not None) + again != 1:
        raise BadInput('say one of result=…, failed="why" and again=True.')
    if again:
        return Again.AGAIN
    return result if failed is None else Failed(failed)


class GoingOn:
    """Lets executions go on that have failed or wait for a person's word."""

    def __init__(self, store: Store, registry: Registry, clock: Clock) -> None:
        self._store = store
        self._registry = registry
        self._clock = clock

    async def resume(
        self,
        execution_id: str,
        args: Any | Missing = MISSING,
        *,
        entry: AuditEntry | None = None,
    ) -> Status:
        """Let a failed execution go on under its id; its finished calls keep their results.

        With `args` it goes on with that input: a finished call that would now be made with other arguments fails it with
        ArgumentHashMismatch, and it stays resumable. Raises ExecutionNotFound, Conflict when it has not failed, NotFound for
        the workflow, NotJson or InvalidArguments when the input does not fit.
        """
        if isinstance(args, Missing):
            return await self._store.resume(execution_id, entry)
        found = await self._found(execution_id)
        workflow = self._registry.workflow(found.workflow)
        text = checked_args(workflow, args)
        return await self._store.resume(execution_id, entry, args=text, concurrency_key=concurrency_key(workflow, text))

    async def fork(
        self,
        execution_id: str,
        path: str,
        args: Any | Missing = MISSING,
        *,
        requested_by: str,
        entry: AuditEntry | None = None,
        idempotency_key: str | None = None,
    ) -> Started:
        """Start an execution that is given what another one had done before its call at `path`, and does the rest itself.

        It has the same workflow, invoker and input, or `args`. Raises ExecutionNotFound, NotFound for the call or the
        workflow, NotJson or InvalidArguments when the input does not fit.
        """
        found = await self._found(execution_id)
        kept = kept_before(found.jobs, path)
        workflow = self._registry.workflow(found.workflow)
        text = checked_args(workflow, found.args if isinstance(args, Missing) else args)
        now = self._clock.now()
        request = StartRequest(
            id=new_id(now),
            workflow=found.workflow,
            args=text,
            invoker=None if found.invoker is None else canonical(found.invoker),
            created_at=now,
            idempotency_key=idempotency_key,
            requested_by=requested_by,
            priority=workflow.priority,
            concurrency_key=concurrency_key(workflow, text),
        )
        return await self._store.fork(Fork(request, execution_id, path, kept), entry)

    async def settle(
        self,
        execution_id: str,
        path: str,
        said: Any | Failed | Again,
        *,
        by: str,
        entry: AuditEntry | None = None,
    ) -> JobStatus:
        """Say what became of a call that is at most once and was interrupted: its result, that it failed, or to make it again.

        An execution that waits for this goes on. A failed call of a failed execution can be given a result too, or, when it is
        at most once, be made again: `resume` the execution then. Raises ExecutionNotFound, NotFound for the call, Conflict when
        there is nothing to say, NotJson or InvalidArguments when the result does not fit.
        """
        found = await self._found(execution_id)
        call = _call_at(found.jobs, path)
        result = error = None
        if isinstance(said, Failed):
            canonical(said.message)  # NotJson, for text that is not Unicode
            error = call_error("JobFailed", said.message, job=call.name, path=path)
        elif not isinstance(said, Again):
            job = self._job(found.workflow, call.name)
            result = canonical(said) if job is None else job.output.dump(said)[0]
        return await self._store.decide_outcome(
            Outcome(execution_id, path, self._clock.now(), result, error, by), entry
        )

    def _job(self, workflow: str, name: str) -> Job[Any, Any] | None:
        """The workflow's own job of this name, else any; None when there is none any more."""
        if workflow in self._registry.workflows:
            for job in self._registry.jobs_of(workflow):
                if job.name == name:
                    return job
        return self._registry.jobs.get(name)

    async def _found(self, execution_id: str) -> ExecutionRecord:
        found = await self._store.execution(execution_id)
        if found is None:
            raise ExecutionNotFound(execution_id)
        return found


def kept_before(calls: Sequence[Checkpoint], path: str) -> tuple[str, ...]:
    """The calls that a fork from the one at `path` keeps: those that were made before it, and have ended for good.

    The jobs that it was made from run again from their top, so they are not among them. Raises NotFound for the call.
    """
    at = _call_at(calls, path)
    kept = {
        call.path
        for call in calls
        if call.number < at.number
        and (call.status is JobStatus.SUCCESS or (call.status is JobStatus.FAILED and call.handled))
        and not f"{path}/".startswith(f"{call.path}/")
    }
    # The start of a child whose result is not kept: the fork starts a child of its own.
    waiting = {call.path for call in calls if call.name.startswith("invoke:")} - kept
    return tuple(sorted(one for one in kept if one.rpartition("/")[0] not in waiting))


def _call_at(calls: Sequence[Checkpoint], path: str) -> Checkpoint:
    for call in calls:
        if call.path == path:
            return call
    raise NotFound("call", path, [call.path for call in calls])
