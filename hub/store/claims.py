"""Claims: a node leases due executions, as many as it has room for and limits leave.

Each claim raises the execution's epoch: whatever an earlier holder still writes is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hub.model.execution import Claimed
from hub.model.pacing import Rate
from hub.store.checkpoints import read_checkpoints
from hub.store.dialects.base import Bulk, Row, Tx
from hub.store.keys import RISEN, may_begin, rise
from hub.store.pacing import put_off_beyond, put_off_what_is_too_much
from hub.store.verbs import Verb


@dataclass(frozen=True, slots=True)
class Claimable:
    """A workflow that a worker can run."""

    workflow: str
    revision: str
    #: Executions of it that may run at once in the whole installation; None: any number.
    limit: int | None = None
    #: The limit is for each concurrency key by itself.
    by_key: bool = False
    #: How many may begin within a time; None: any number.
    rate: Rate | None = None


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    node: str
    workflows: tuple[Claimable, ...]
    #: How many it has room for.
    slots: int
    now: int


#: Workflows that something is due of, with the priorities between which theirs lie. Each is three steps into an index,
#: however many executions wait for later.
_SOMETHING_DUE = Bulk(
    "place:int workflow:text now:int",
    "SELECT v.place, (SELECT max(priority) FROM executions e WHERE e.workflow = v.workflow AND e.due_at IS NOT NULL), "
    "(SELECT min(priority) FROM executions e WHERE e.workflow = v.workflow AND e.due_at IS NOT NULL) FROM v "
    "WHERE EXISTS (SELECT 1 FROM executions e WHERE e.workflow = v.workflow AND e.due_at IS NOT NULL AND e.due_at <= v.now)",
)

_NEXT_PRIORITY = "SELECT max(priority) FROM executions WHERE workflow = ? AND due_at IS NOT NULL AND priority < ?"

#: Of one priority: in its order the due ones come first.
_DUE = (
    "SELECT id FROM executions WHERE workflow = ? AND priority = ? AND due_at IS NOT NULL AND due_at <= ? "
    "ORDER BY due_at, id LIMIT ?"
)

#: Those that were chosen.
_CHOSEN = "SELECT id FROM executions WHERE id IN ({marks}) AND due_at IS NOT NULL"

_CLAIMED = (
    "id, workflow, args, invoker, epoch, base_epoch, attempts, retries, crashes, revision, created_at, concurrency_key, "
    "COALESCE(resumed_at, started_at), executor"
)


def _claim(tx: Tx, requests: Sequence[ClaimRequest]) -> list[list[Claimed]]:
    return [_claim_for(tx, request) for request in requests]


def _claim_for(tx: Tx, request: ClaimRequest) -> list[Claimed]:
    """Lease the due executions of the workflows to the node, the most urgent first; the attempt is counted here."""
    claimed: list[Claimed] = []
    asked = [(place, workflow.workflow, request.now) for place, workflow in enumerate(request.workflows)]
    for place, highest, lowest in sorted(tx.bulk(_SOMETHING_DUE, asked)):
        slots = request.slots - len(claimed)
        if slots <= 0:
            break
        workflow = request.workflows[place]
        counted = workflow.limit is not None or workflow.rate is not None
        if counted and not tx.try_lock(f"claim {workflow.workflow}"):
            continue  # another node is counting what runs of it
        if workflow.limit is not None and workflow.by_key:
            claimed += _claim_by_key(tx, request, workflow, workflow.limit, slots)
            continue
        room = slots if workflow.limit is None else min(slots, workflow.limit - _running(tx, workflow.workflow))
        if room > 0:
            claimed += _claim_by_priority(tx, request, workflow, room, highest=highest, lowest=lowest)
    return claimed


def _running(tx: Tx, workflow: str) -> int:
    count: int = tx.rows(
        "SELECT count(*) FROM executions WHERE workflow = ? AND status = 'RUNNING' AND due_at IS NULL", (workflow,)
    )[0][0]
    return count


def _claim_by_priority(
    tx: Tx, request: ClaimRequest, workflow: Claimable, room: int, *, highest: int, lowest: int
) -> list[Claimed]:
    """As many as there is room for, one priority after the other, from the highest to the lowest that something is due of."""
    if workflow.rate is not None:
        put_off_what_is_too_much(tx, workflow.workflow, workflow.rate, room, request.now)
    claimed: list[Claimed] = []
    priority: int | None = highest
    while len(claimed) < room and priority is not None:
        due = (workflow.workflow, priority, request.now, room - len(claimed))
        claimed += _lease(tx, request, workflow, _DUE, due)
        priority = None if priority == lowest else tx.rows(_NEXT_PRIORITY, (workflow.workflow, priority))[0][0]
    return claimed


def _claim_by_key(tx: Tx, request: ClaimRequest, workflow: Claimable, limit: int, slots: int) -> list[Claimed]:
    """Of each concurrency key as many as its limit leaves."""
    chosen = _chosen_by_key(tx, request.now, workflow, limit, slots)
    if not chosen:
        return []
    return _lease(tx, request, workflow, _CHOSEN.format(marks=", ".join("?" * len(chosen))), chosen)


def _chosen_by_key(tx: Tx, now: int, workflow: Claimable, limit: int, slots: int) -> list[str]:
    rise(tx, workflow.workflow, limit, now)
    while chosen := may_begin(tx, workflow.workflow, limit, slots, now):
        if workflow.rate is None:
            return chosen
        within = put_off_beyond(tx, workflow.workflow, workflow.rate, chosen, now)
        if within:
            return within
    return []


def _lease(tx: Tx, request: ClaimRequest, workflow: Claimable, which: str, params: Sequence[Any]) -> list[Claimed]:
    """Lease those that `which` selects."""
    rows = tx.rows(
        # Once and for all, so that no plan takes more of them than there is room for.
        f"WITH due AS MATERIALIZED ({which} {tx.skip_locked}) "
        "UPDATE executions SET "
        "crashes = CASE WHEN status <> 'RUNNING' OR EXISTS (SELECT 1 FROM checkpoints c WHERE "
        "c.execution_id = executions.id AND c.epoch = executions.epoch AND c.finished_at IS NOT NULL) "
        "THEN 0 ELSE crashes + 1 END, "
        "attempts = attempts + CASE WHEN attempts = 0 OR status IN ('PENDING_RETRY', 'PENDING_RESUME') THEN 1 ELSE 0 END, "
        "base_epoch = CASE WHEN status IN ('PENDING_RETRY', 'PENDING_RESUME') THEN epoch + 1 ELSE base_epoch END, "
        "resumed_at = CASE WHEN status = 'PENDING_RESUME' THEN ? ELSE resumed_at END, "
        f"priority = {RISEN}, status = 'RUNNING', owner = ?, epoch = epoch + 1, due_at = NULL, reason = NULL, "
        "started_at = COALESCE(started_at, ?), revision = COALESCE(revision, ?) "
        f"WHERE id IN (SELECT id FROM due) RETURNING {_CLAIMED}",
        (*params, request.now, request.node, request.now, workflow.revision),
    )
    return [_claimed(tx, row) for row in sorted(rows)]


def _claimed(tx: Tx, row: Row) -> Claimed:
    made = Claimed(*row)
    return made if made.epoch == 1 else replace(made, history=tuple(read_checkpoints(tx, made.id)))


CLAIM: Verb[ClaimRequest, list[Claimed]] = Verb("claim", _claim, order=4)
