"""How waits end: with a result, an error or neither, and what the end does to the execution that waited.

Whatever ends a wait (an answer, its deadline, a signal, the end of another execution) is written by one transaction, so the
store says which came first. It leaves the call's checkpoint as if the call had just finished, and makes a parked
execution due.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.model.call_errors import call_error
from hub.model.errors import WaitTimeout
from hub.model.execution import ENDED, Status
from hub.model.wait import WaitState
from hub.store.choices import close_choice
from hub.store.dialects.base import Row, Tx

_MOST_NAMED = 500


@dataclass(frozen=True, slots=True)
class Ending:
    """How a wait ends, and what its call gives."""

    state: WaitState
    now: int
    result: str | None = None
    error: str | None = None
    by: str | None = None
    #: The call is not over: it is made again, or goes on.
    suspends: bool = False


def timed_out(path: str, name: str) -> str:
    """The failure of a wait that has no default."""
    return call_error(WaitTimeout, f"nobody answered {name} in time", job=name, path=path)


def deadline_passed(path: str, name: str, default: str | None, now: int) -> Ending:
    """Nobody answered in time: the call gives the default, or fails without one."""
    if default is None:
        return Ending(WaitState.TIMED_OUT, now, error=timed_out(path, name))
    return Ending(WaitState.TIMED_OUT, now, result=default)


def end_of_other(row: Row, execution_id: str, now: int) -> Ending | None:
    """What the end of another execution is to the one that waits for it; None: it goes on."""
    status, result, error = row
    if status not in ENDED:
        return None
    if status == Status.SUCCESS:
        return Ending(WaitState.RESOLVED, now, result=result or "null", by=execution_id)
    if error is None:
        error = call_error("ExecutionCanceled", f"execution {execution_id} was canceled", job="", path="")
    return Ending(WaitState.RESOLVED, now, error=error, by=execution_id)


def end_wait(tx: Tx, execution_id: str, path: str, ending: Ending) -> bool:
    """End an open wait, and make its execution due if it is parked. False: somebody else has ended it."""
    tx.hold([execution_id])
    ended = tx.rows(
        "UPDATE waits SET state = ?, resolved_at = ?, resolved_by = ? WHERE execution_id = ? AND path = ? AND state = 'WAITING' "
        "RETURNING choice",
        (ending.state.value, ending.now, ending.by, execution_id, path),
    )
    if not ended:
        return False
    if ending.suspends:
        tx.run("UPDATE checkpoints SET status = 'SUSPEND' WHERE execution_id = ? AND path = ?", (execution_id, path))
    else:
        status = "SUCCESS" if ending.error is None else "FAILED"
        tx.run(
            "UPDATE checkpoints SET status = ?, result = ?, error = ?, finished_at = ? WHERE execution_id = ? AND path = ?",
            (status, ending.result, ending.error, ending.now, execution_id, path),
        )
    if ended[0][0] is not None:
        close_choice(tx, execution_id, ended[0][0], path, ending.now)
    tx.run("UPDATE executions SET due_at = ? WHERE id = ? AND status = 'WAITING'", (ending.now, execution_id))
    return True


def drop_waits(tx: Tx, execution_id: str, now: int) -> None:
    """An execution has ended for good: it asks nothing any more."""
    tx.run(
        "UPDATE waits SET state = 'DROPPED', resolved_at = ? WHERE execution_id = ? AND state = 'WAITING'",
        (now, execution_id),
    )


def end_waits_for_all(tx: Tx, ended: Sequence[str], now: int) -> None:
    """These executions have ended: so have the waits for them."""
    for start in range(0, len(ended), _MOST_NAMED):
        part = ended[start : start + _MOST_NAMED]
        marks = ", ".join("?" * len(part))
        waited_for = tx.rows(
            f"SELECT DISTINCT key FROM waits WHERE kind = 'execution' AND state = 'WAITING' AND key IN ({marks})", part
        )
        for (execution_id,) in waited_for:
            end_waits_for(tx, execution_id, now)


def end_waits_for(tx: Tx, execution_id: str, now: int) -> int:
    """An execution has ended: so have the waits for it. How many those were."""
    row = tx.rows("SELECT status, result, error FROM executions WHERE id = ?", (execution_id,))[0]
    ending = end_of_other(row, execution_id, now)
    if ending is None:
        return 0
    waiting = tx.rows(
        "SELECT execution_id, path FROM waits WHERE kind = 'execution' AND key = ? AND state = 'WAITING'",
        (execution_id,),
    )
    return sum(end_wait(tx, waiter, path, ending) for waiter, path in waiting)
