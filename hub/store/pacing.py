"""When executions may begin by their workflow's debounce and rate limit. In the store, so that it holds on all nodes and
after restarts.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub.model.clock import iso
from hub.model.durations import spoken
from hub.model.execution import StartRequest
from hub.model.pacing import Debounced, Rate, Rated
from hub.store.dialects.base import Tx
from hub.store.queued import release_queued
from hub.store.wait_endings import end_waits_for

#: How many more than there is room for are looked at.
_LOOKED_AT = 1_000


def pace(tx: Tx, request: StartRequest) -> None:
    """Put off an execution that has just been inserted, and cancel those whose place it takes."""
    tx.lock(f"pace {request.workflow}")
    now = request.created_at
    due, reason = request.due_at or now, None
    if request.debounced is not None:
        until = _take_place(tx, request, request.debounced)
        due = now + request.debounced.period if until is None else max(now, min(now + request.debounced.period, until))
        tx.run(
            "UPDATE executions SET debounce_key = ?, debounce_until = ? WHERE id = ?",
            (request.debounced.key, until, request.id),
        )
        reason = f"until {iso(due)} a later start takes its place (debounce)"
    if request.rated is not None:
        slot = _reserve(tx, request.workflow, request.id, request.rated, due)
        tx.run("UPDATE executions SET rate_key = ?, rate_at = ? WHERE id = ?", (request.rated.key, slot, request.id))
        if slot > due:
            due, reason = slot, _rate_reason(request.rated, slot)
    tx.run("UPDATE executions SET due_at = ?, reason = ? WHERE id = ?", (due, reason, request.id))


def _take_place(tx: Tx, request: StartRequest, debounced: Debounced) -> int | None:
    """Cancel the one with the same key whose period is not over; the moment to which it may be put off altogether."""
    now = request.created_at
    until = None if debounced.longest is None else now + debounced.longest
    earlier = tx.rows(
        "SELECT id, debounce_until FROM executions WHERE workflow = ? AND debounce_key = ? AND debounce_key IS NOT NULL "
        "AND status = 'PENDING' AND started_at IS NULL AND due_at > ? AND id <> ?",
        (request.workflow, debounced.key, now, request.id),
    )
    tx.hold([identifier for identifier, _ in earlier])
    for identifier, limit in earlier:
        superseded = tx.run(
            "UPDATE executions SET status = 'CANCELED', epoch = epoch + 1, due_at = NULL, rate_key = NULL, finished_at = ?, "
            "reason = ? WHERE id = ? AND status = 'PENDING'",
            (now, f"execution {request.id} took its place (debounce)", identifier),
        )
        if superseded:
            until = limit if until is None else min(until, limit or until)
            end_waits_for(tx, identifier, now)
            release_queued(tx, [identifier], now)
    return until


def _reserve(tx: Tx, workflow: str, execution_id: str, rated: Rated, earliest: int) -> int:
    """The next moment at which the limit lets one begin, behind all that have a moment already."""
    rows = tx.rows(
        "SELECT rate_at FROM executions WHERE workflow = ? AND rate_key = ? AND rate_key IS NOT NULL AND id <> ? "
        "AND (started_at IS NOT NULL OR finished_at IS NULL) ORDER BY rate_at DESC LIMIT 1 OFFSET ?",
        (workflow, rated.key, execution_id, rated.limit - 1),
    )
    return max(earliest, rows[0][0] + rated.period) if rows else earliest


def put_off_what_is_too_much(tx: Tx, workflow: str, rate: Rate, room: int, now: int) -> None:
    """Of what is due, leave as many as may begin now: after an outage the moments of many are past.

    In the order in which they are claimed, so that none is claimed that was not looked at.
    """
    while True:
        due = tx.rows(
            "SELECT id, rate_key FROM executions WHERE workflow = ? AND due_at IS NOT NULL AND due_at <= ? "
            "AND rate_key IS NOT NULL AND started_at IS NULL ORDER BY priority DESC, due_at, id LIMIT ?",
            (workflow, now, room + _LOOKED_AT),
        )
        begun = {key: _begun(tx, workflow, key, now - rate.period) for key in {key for _, key in due}}
        put_off, left = 0, room
        for identifier, key in due:
            if begun[key] >= rate.limit:
                _put_off(tx, workflow, identifier, Rated(key, *rate), now)
                put_off += 1
            elif left > 0:
                begun[key] += 1
                left -= 1
                tx.run("UPDATE executions SET rate_at = ? WHERE id = ?", (now, identifier))
        if not put_off:
            return


def put_off_beyond(tx: Tx, workflow: str, rate: Rate, chosen: Sequence[str], now: int) -> list[str]:
    """Of these, which are about to begin, put off those that are too many; what is left of them, in their order."""
    marks = ", ".join("?" * len(chosen))
    rated: dict[str, str] = dict(
        tx.rows(
            f"SELECT id, rate_key FROM executions WHERE id IN ({marks}) AND rate_key IS NOT NULL AND started_at IS NULL",
            chosen,
        )
    )
    begun = {key: _begun(tx, workflow, key, now - rate.period) for key in set(rated.values())}
    left = []
    for identifier in chosen:
        if (key := rated.get(identifier)) is not None:
            if begun[key] >= rate.limit:
                _put_off(tx, workflow, identifier, Rated(key, *rate), now)
                continue
            begun[key] += 1
            tx.run("UPDATE executions SET rate_at = ? WHERE id = ?", (now, identifier))
        left.append(identifier)
    return left


def _begun(tx: Tx, workflow: str, key: str, since: int) -> int:
    count: int = tx.rows(
        "SELECT count(*) FROM executions WHERE workflow = ? AND rate_key = ? AND rate_key IS NOT NULL AND rate_at > ? "
        "AND started_at IS NOT NULL",
        (workflow, key, since),
    )[0][0]
    return count


def _put_off(tx: Tx, workflow: str, execution_id: str, rated: Rated, now: int) -> None:
    slot = max(_reserve(tx, workflow, execution_id, rated, now), now + 1)
    tx.run(
        "UPDATE executions SET due_at = ?, rate_at = ?, reason = ? WHERE id = ?",
        (slot, slot, _rate_reason(rated, slot), execution_id),
    )


def _rate_reason(rated: Rated, slot: int) -> str:
    whose = f" for the key {rated.key}" if rated.key else ""
    return f"at most {rated.limit} begin in {spoken(rated.period)}{whose}: this one at {iso(slot)} (rate limit)"
