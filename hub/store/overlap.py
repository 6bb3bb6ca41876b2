"""What becomes of a schedule's slot while an execution of its executor has not ended: its `overlap`.

Decided in the transaction that dispatches the slot's event, so that two nodes cannot both find the way clear.
"""

from __future__ import annotations

from dataclasses import dataclass

from hub.model.execution import StartRequest
from hub.store.dialects.base import Tx
from hub.store.executions import Move, cancel_executions, insert_executions
from hub.store.queued import queue_behind


@dataclass(frozen=True, slots=True)
class Admitted:
    """Whether an execution was started, and what is to be told of it beside that."""

    started: bool
    told: str | None = None


def start_by_policy(tx: Tx, start: StartRequest) -> Admitted:
    """Start it, queue it, or not, as the policy of its executor says."""
    assert start.executor is not None
    tx.lock(f"overlap {start.executor}")
    tx.hold([one for one, _, _ in _going_on(tx, start.executor)])
    going_on = _going_on(tx, start.executor)
    if not going_on:
        insert_executions(tx, [start])
        return Admitted(started=True)
    newest = going_on[-1][0]
    match start.overlap:
        case "skip":
            return Admitted(started=False, told=f"execution {newest} has not ended (overlap: skip).")
        case "queue_one":
            return _queue_one(tx, start, going_on)
        case "cancel_running":
            insert_executions(tx, [start])
            cancel_executions(tx, [Move(one, start.created_at) for one, _, _ in going_on])
            names = ", ".join(one for one, _, _ in going_on)
            return Admitted(started=True, told=f"execution {names} was canceled for it (overlap: cancel_running).")
        case _:
            insert_executions(tx, [start])
            return Admitted(started=True)


def _going_on(tx: Tx, executor: str) -> list[tuple[str, str | None, str]]:
    """Executions of the executor that have not ended, the oldest first: (id, behind which, status)."""
    rows = tx.rows(
        "SELECT id, after_id, status FROM executions WHERE executor = ? AND executor IS NOT NULL "
        "AND finished_at IS NULL ORDER BY id",
        (executor,),
    )
    return [(one, after, status) for one, after, status in rows]


def _queue_one(tx: Tx, start: StartRequest, going_on: list[tuple[str, str | None, str]]) -> Admitted:
    queued = [one for one, after, status in going_on if after is not None and status == "PENDING"]
    if queued:
        return Admitted(started=False, told=f"execution {queued[0]} is queued already (overlap: queue_one).")
    newest = going_on[-1][0]
    insert_executions(tx, [start])
    queue_behind(tx, start.id, newest, "queue_one")
    return Admitted(started=True, told=f"it begins when execution {newest} has ended (overlap: queue_one).")
