"""Verbs of executions: start, settle, cancel, rescue.

Every write to an execution that a worker holds carries the epoch of its claim and is refused when that is not the
current one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hub.model.errors import Conflict, ExecutionNotFound, Fenced
from hub.model.execution import ENDED, Settled, Started, StartRequest, Status
from hub.store.dialects.base import Bulk, Tx
from hub.store.keys import note_key
from hub.store.pacing import pace
from hub.store.queued import release_queued
from hub.store.suspects import part_suspects
from hub.store.verbs import Mixed, Verb
from hub.store.wait_endings import drop_waits, end_waits_for, end_waits_for_all


@dataclass(frozen=True, slots=True)
class Move:
    """What a person or an API call asks of an execution."""

    execution_id: str
    at: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """Of what its claim was for nothing begins any more."""

    execution_id: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Rescue:
    now: int
    #: Nodes known to be dead whatever their lease says.
    dead: tuple[str, ...] = ()


_INSERT = Bulk(
    "id:text workflow:text args:text invoker:text idempotency_key:text executor:text event_id:text requested_by:text "
    "parent_id:text priority:int concurrency_key:text due_at:int created_at:int",
    "INSERT INTO executions (id, workflow, status, args, invoker, idempotency_key, executor, event_id, requested_by, "
    "parent_id, attempts, retries, crashes, priority, concurrency_key, epoch, base_epoch, due_at, created_at) "
    "SELECT id, workflow, 'PENDING', args, invoker, idempotency_key, executor, event_id, requested_by, "
    "parent_id, 0, 0, 0, priority, concurrency_key, 0, 0, due_at, created_at FROM v WHERE true "
    "ON CONFLICT (idempotency_key) DO NOTHING",
)

_NOT_STARTED = Bulk(
    "id:text", "SELECT v.id FROM v LEFT JOIN executions ON executions.id = v.id WHERE executions.id IS NULL"
)

_SETTLE = Bulk(
    "id:text epoch:int status:text at:int result:text error:text due_at:int reason:text retries:int ended:int",
    "UPDATE executions SET status = v.status, result = v.result, error = v.error, due_at = v.due_at, reason = v.reason, "
    "retries = v.retries, owner = NULL, finished_at = CASE WHEN v.ended = 1 THEN v.at ELSE NULL END "
    "FROM v WHERE executions.id = v.id AND executions.epoch = v.epoch AND executions.status = 'RUNNING'",
)

_STOPPED = Bulk(
    "id:text epoch:int",
    "UPDATE executions SET owner = NULL FROM v "
    "WHERE executions.id = v.id AND executions.epoch = v.epoch + 1 AND executions.status = 'CANCELED'",
)


def insert_executions(tx: Tx, requests: Sequence[StartRequest]) -> list[Started]:
    """Start them all; one whose idempotency key is there already is answered with the first one's id."""
    rows = [
        (
            request.id,
            request.workflow,
            request.args,
            request.invoker,
            request.idempotency_key,
            request.executor,
            request.event_id,
            request.requested_by,
            request.parent_id,
            request.priority,
            request.concurrency_key,
            request.created_at if request.due_at is None else request.due_at,
            request.created_at,
        )
        for request in requests
    ]
    paced = [request for request in requests if request.debounced is not None or request.rated is not None]
    if paced and len(requests) > 1:
        # One after the other: a later one may take the place of an earlier one.
        return [started for request in requests for started in insert_executions(tx, [request])]
    inserted = tx.bulk_count(_INSERT, rows)
    refused = set()
    if inserted != len(requests):
        refused = {row[0] for row in tx.bulk(_NOT_STARTED, [(request.id,) for request in requests])}
    elif paced:
        pace(tx, requests[0])
    return [
        _first(tx, request) if request.id in refused else Started(request.id, created=True, status=Status.PENDING)
        for request in requests
    ]


def _first(tx: Tx, request: StartRequest) -> Started:
    identifier, status = tx.rows(
        "SELECT id, status FROM executions WHERE idempotency_key = ?", (request.idempotency_key,)
    )[0]
    return Started(identifier, created=False, status=Status(status))


def settle_executions(tx: Tx, items: Sequence[Settled]) -> list[Status | Exception]:
    """Let go of executions, each under its claim's epoch."""
    rows = [
        (
            item.execution_id,
            item.epoch,
            item.status.value,
            item.at,
            item.result,
            item.error,
            item.due_at,
            item.reason,
            item.retries,
            int(item.status in ENDED),
        )
        for item in items
    ]
    settled = tx.bulk_count(_SETTLE, rows)
    if settled not in (0, len(items)):
        raise Mixed
    if not settled:
        return [Fenced(item.execution_id) for item in items]
    ended = [item.execution_id for item in items if item.status in ENDED]
    if ended:
        end_waits_for_all(tx, ended, items[0].at)
        release_queued(tx, ended, items[0].at)
    return [item.status for item in items]


def cancel_executions(tx: Tx, items: Sequence[Move]) -> list[Status | Exception]:
    """End it and its children, whoever holds them: the epoch goes up, so the holder can write nothing more.

    It stays the holder's until that has said that it has stopped.
    """
    answers: list[Status | Exception] = []
    for item in items:
        changed = tx.run(
            "UPDATE executions SET status = 'CANCELED', epoch = epoch + 1, due_at = NULL, reason = NULL, "
            "finished_at = ? WHERE id = ? AND status NOT IN ('SUCCESS', 'FAILED', 'CANCELED')",
            (item.at, item.execution_id),
        )
        if changed:
            tx.foretell_cancel()
            drop_waits(tx, item.execution_id, item.at)
            end_waits_for(tx, item.execution_id, item.at)
            release_queued(tx, [item.execution_id], item.at)
            note_key(tx, item.execution_id)
            children = tx.rows(
                "SELECT id FROM executions WHERE parent_id = ? AND status NOT IN ('SUCCESS', 'FAILED', 'CANCELED')",
                (item.execution_id,),
            )
            cancel_executions(tx, [Move(child, item.at) for (child,) in children])
        answers.append(Status.CANCELED if changed else unmoved(tx, item.execution_id, "canceled"))
    return answers


def _note_stopped(tx: Tx, items: Sequence[Stopped]) -> list[None]:
    tx.put(_STOPPED, [(item.execution_id, item.epoch) for item in items])
    return [None] * len(items)


def unmoved(tx: Tx, execution_id: str, verb: str) -> Exception:
    """Why it could not be moved: it is not there, or in another state."""
    found = tx.rows("SELECT status FROM executions WHERE id = ?", (execution_id,))
    if not found:
        return ExecutionNotFound(execution_id)
    return Conflict(f"execution {execution_id} is {found[0][0]} and cannot be {verb}.")


def _rescue(tx: Tx, items: Sequence[Rescue]) -> list[int]:
    """Make what dead nodes held claimable again."""
    rescued = []
    for item in items:
        alive = tx.clock(item.now)
        marks = ", ".join("?" * len(item.dead))
        named = f" OR owner IN ({marks})" if item.dead else ""
        count = tx.run(
            "UPDATE executions SET due_at = ? WHERE id IN "
            "(SELECT id FROM executions WHERE status = 'RUNNING' AND due_at IS NULL AND "
            f"(owner NOT IN (SELECT id FROM nodes WHERE lease_until > ?){named}) {tx.skip_locked})",
            (item.now, alive, *item.dead),
        )
        if count:
            part_suspects(tx, item.now)
        rescued.append(count)
    return rescued


def status_look(execution_id: str) -> Callable[[Tx], str | None]:
    """What an execution's status is; None when there is none of this id."""

    def look(tx: Tx) -> str | None:
        found = tx.rows("SELECT status FROM executions WHERE id = ?", (execution_id,))
        return found[0][0] if found else None

    return look


START: Verb[StartRequest, Started] = Verb("start", insert_executions, rings=("executions",))
SETTLE: Verb[Settled, Status] = Verb("settle", settle_executions, rings=("settled",), order=2)
CANCEL: Verb[Move, Status] = Verb("cancel", cancel_executions, rings=("canceled",), order=3)
STOPPED: Verb[Stopped, None] = Verb("stopped", _note_stopped, order=4)
RESCUE: Verb[Rescue, int] = Verb("rescue", _rescue, rings=("executions",), order=3)
