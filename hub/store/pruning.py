"""Pruning: what is older than its retention goes, a little at a time, so that nothing else waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.model.clock import first_id
from hub.store.contents import forget, referred
from hub.store.dialects.base import Row, Tx
from hub.store.verbs import Verb


@dataclass(frozen=True, slots=True)
class Prune:
    """Events received, and executions ended, before these instants (milliseconds since 1970 UTC)."""

    events_before: int
    executions_before: int
    #: Ids to go on behind; "" begins at the oldest.
    events_after: str = ""
    executions_after: str = ""
    #: How many of each are looked at.
    limit: int = 500


@dataclass(frozen=True, slots=True)
class Pruned:
    events: int
    executions: int
    #: Where to go on; "" when the end was reached.
    events_after: str
    executions_after: str


def _prune(tx: Tx, items: Sequence[Prune]) -> list[Pruned]:
    return [_prune_some(tx, item) for item in items]


def _prune_some(tx: Tx, item: Prune) -> Pruned:
    """Ids begin with their time, so the oldest are found by the primary key."""
    events = tx.rows(
        "SELECT id, state FROM events WHERE id > ? AND id < ? ORDER BY id LIMIT ?",
        (item.events_after, first_id(item.events_before), item.limit),
    )
    gone_events = [identifier for identifier, state in events if state == 1]
    _delete(tx, gone_events, ("deliveries", "event_id"), ("events", "id"))
    executions = tx.rows(
        "SELECT id, status, finished_at FROM executions WHERE id > ? AND id < ? ORDER BY id LIMIT ?",
        (item.executions_after, first_id(item.executions_before), item.limit),
    )
    # A failed one may still be resumed within its retention, which counts from its end.
    gone_executions = [
        identifier
        for identifier, _, finished_at in executions
        if finished_at is not None and finished_at < item.executions_before
    ]
    large = referred(tx, gone_executions) if gone_executions else set()
    _delete(
        tx,
        gone_executions,
        ("checkpoints", "execution_id"),
        ("logs", "execution_id"),
        ("waits", "execution_id"),
        ("answers", "execution_id"),
        ("executions", "id"),
    )
    forget(tx, large, item.executions_before)
    return Pruned(
        len(gone_events),
        len(gone_executions),
        _next(events, item.limit),
        _next(executions, item.limit),
    )


def _delete(tx: Tx, identifiers: Sequence[str], *places: tuple[str, str]) -> None:
    if not identifiers:
        return
    marks = ", ".join("?" * len(identifiers))
    for table, column in places:
        tx.run(f"DELETE FROM {table} WHERE {column} IN ({marks})", identifiers)


def _next(rows: Sequence[Row], limit: int) -> str:
    return str(rows[-1][0]) if len(rows) == limit else ""


PRUNE: Verb[Prune, Pruned] = Verb("prune", _prune, order=5)
