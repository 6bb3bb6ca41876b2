"""What became of a call, told by a person: of one whose outcome is unknown, or one that failed.

A job that is at most once and was interrupted waits for this. A failed call may be given a result that was had by other means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.model.errors import Conflict, ExecutionNotFound, NotFound
from hub.model.execution import JobStatus, Status
from hub.model.wait import WaitKind, WaitState
from hub.store.dialects.base import Tx
from hub.store.verbs import Verb
from hub.store.wait_endings import Ending, end_wait


@dataclass(frozen=True, slots=True)
class Outcome:
    """What somebody says about a call. Without result and error: it is to be made again."""

    execution_id: str
    path: str
    at: int
    #: JSON text.
    result: str | None = None
    #: JSON text of the failure.
    error: str | None = None
    by: str = ""


def _decide(tx: Tx, items: Sequence[Outcome]) -> list[JobStatus | Exception]:
    tx.hold([item.execution_id for item in items])
    return [_decide_one(tx, item) for item in items]


def _decide_one(tx: Tx, item: Outcome) -> JobStatus | Exception:
    """The call's new status: SUCCESS, FAILED, or SUSPEND when it is to be made again."""
    found = tx.rows(
        "SELECT e.status, c.status, w.kind FROM executions e "
        "LEFT JOIN checkpoints c ON c.execution_id = e.id AND c.path = ? "
        "LEFT JOIN waits w ON w.execution_id = e.id AND w.path = ? AND w.state = 'WAITING' WHERE e.id = ?",
        (item.path, item.path, item.execution_id),
    )
    if not found:
        return ExecutionNotFound(item.execution_id)
    execution, call, kind = found[0]
    if call is None:
        return NotFound("call", item.path)
    if item.result is not None:
        status = JobStatus.SUCCESS
    else:
        status = JobStatus.SUSPEND if item.error is None else JobStatus.FAILED
    if kind == WaitKind.OUTCOME:
        state = WaitState.RESOLVED if status is not JobStatus.SUSPEND else WaitState.AGAIN
        end_wait(
            tx,
            item.execution_id,
            item.path,
            Ending(state, item.at, item.result, item.error, item.by, status is JobStatus.SUSPEND),
        )
        return status
    if status is JobStatus.FAILED or call != JobStatus.FAILED or execution not in (Status.FAILED, Status.PENDING_RETRY):
        return Conflict(
            f"the call {item.path} of execution {item.execution_id} is {call}, and the execution {execution}: settled is a "
            "call whose outcome is unknown, or a failed one of an execution that has failed."
        )
    tx.run(
        "UPDATE checkpoints SET status = ?, result = ?, error = ?, handled = 0, finished_at = ? "
        "WHERE execution_id = ? AND path = ?",
        (status.value, item.result, item.error, item.at, item.execution_id, item.path),
    )
    return status


DECIDE: Verb[Outcome, JobStatus] = Verb("decide_outcome", _decide, rings=("executions", "answers"), order=3)
