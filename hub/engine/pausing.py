"""Calls that come to a halt half-way: a retry that is due later, and a job that may not be run a second time.

Both stand in the store as waits at the call's own path, so that the execution is parked meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.engine import failures
from hub.engine.called import Called
from hub.engine.job import Job
from hub.model.errors import OutcomeUnknown
from hub.model.execution import Checkpoint, JobStatus
from hub.model.wait import WaitAnswer, WaitKind, WaitRequest, WaitState

if TYPE_CHECKING:
    from hub.engine.runner import Run


async def rest(run: Run, called: Called, attempts: int, until: int, trouble: str) -> None:
    """Until the next try of a job is due. Its tries so far and the last failure are stored meanwhile."""
    await _wait(run, called, _request(run, called.call, WaitKind.RETRY, attempts, trouble, deadline=until, again=True))


async def rest_on(run: Run, called: Called, stored: Checkpoint) -> None:
    """As long as a rest that an earlier claim began still lasts."""
    request = _request(run, called.call, WaitKind.RETRY, stored.attempts, stored.error, deadline=run.now())
    await _wait(run, called, request)


async def await_outcome(run: Run, called: Called, stored: Checkpoint) -> Any:
    """A job that is at most once was interrupted: it fails, or somebody says what became of it."""
    job, call, scope = called.job, called.call, called.parent
    assert scope is not None, "the main job is tried again like any other"
    unknown = failures.dump(failures.describe(_unknown(run, job, call), job.name, call.path))
    if job.on_unknown == "fail" and stored.status is JobStatus.RUNNING:
        await run.calls.fail(scope, call, stored.attempts, unknown)
    fresh = stored.status is JobStatus.RUNNING
    request = _request(run, call, WaitKind.OUTCOME, stored.attempts, unknown, again=fresh)
    answer = await _wait(run, called, request)
    if answer.state is WaitState.AGAIN:
        run.calls.note(call, JobStatus.SUSPEND)
        return await run.calls.to_its_end(called, stored.attempts)
    if answer.error is not None:
        run.calls.raise_stored(scope, call, stored.attempts, answer.error)
    text = answer.result or "null"
    run.calls.note(call, JobStatus.SUCCESS, result=text)
    return job.output.load(text)


async def _wait(run: Run, called: Called, request: WaitRequest) -> WaitAnswer:
    assert called.made is not None, "nobody is there who could be parked on the main job"
    return await run.waits.until_ended(called.made, request)


def _unknown(run: Run, job: Job[Any, Any], call: Checkpoint) -> OutcomeUnknown:
    return OutcomeUnknown(
        "OutcomeUnknown",
        f"the job {job.name} was interrupted and is run at most once: nobody knows what became of it. Find out, then "
        f"`hub workflow settle {run.claimed.id} {call.path}` with --result, --failed or --again.",
    )


def _request(
    run: Run,
    call: Checkpoint,
    kind: WaitKind,
    attempts: int,
    trouble: str | None,
    *,
    deadline: int | None = None,
    again: bool = False,
) -> WaitRequest:
    return WaitRequest(
        execution_id=run.claimed.id,
        epoch=run.claimed.epoch,
        path=call.path,
        name=call.name,
        kind=kind,
        key=call.path,
        args=call.args,
        args_hash=call.args_hash,
        now=run.now(),
        deadline=deadline,
        again=again,
        number=call.number,
        attempts=attempts,
        trouble=trouble,
    )
