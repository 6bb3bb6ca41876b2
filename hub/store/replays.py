"""Replays: an event held against its executors again, on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hub.model.event import Delivery, Outcome
from hub.model.values import parse
from hub.store.dialects.base import Tx
from hub.store.events import Dispatched, insert_deliveries
from hub.store.executions import insert_executions
from hub.store.verbs import Verb


def _record_replays(tx: Tx, items: Sequence[Dispatched]) -> list[list[Delivery]]:
    """Further deliveries of an event that was dispatched before; each gets the next number behind its id.

    What was asked for before under the same key is answered with the delivery that it made then.
    """
    for event_id in sorted({item.event_id for item in items}):
        tx.lock(f"replay {event_id}")
    return [_replayed(tx, item) for item in items]


def _replayed(tx: Tx, item: Dispatched) -> list[Delivery]:
    started = insert_executions(tx, item.starts) if item.starts else []
    repeated = {start.id: one.id for start, one in zip(item.starts, started, strict=True) if not one.created}
    answer: list[Delivery] = []
    made: list[Delivery] = []
    for delivery in item.deliveries:
        earlier = repeated.get(delivery.execution_id or "")
        found = None if earlier is None else _made_before(tx, delivery, earlier)
        if found is None:
            found = _numbered(tx, delivery if earlier is None else replace(delivery, execution_id=earlier))
            made.append(found)
        answer.append(found)
    if made:
        insert_deliveries(tx, made)
    return answer


def _made_before(tx: Tx, delivery: Delivery, execution_id: str) -> Delivery | None:
    found = tx.rows(
        "SELECT id, outcome, reason, created_at, evaluation FROM deliveries "
        "WHERE event_id = ? AND executor = ? AND execution_id = ?",
        (delivery.event_id, delivery.executor, execution_id),
    )
    if not found:
        return None
    identifier, outcome, reason, created_at, evaluation = found[0]
    return Delivery(
        identifier,
        delivery.event_id,
        delivery.executor,
        Outcome(outcome),
        reason,
        created_at,
        execution_id,
        parse(evaluation),
    )


def _numbered(tx: Tx, delivery: Delivery) -> Delivery:
    before = tx.rows(
        "SELECT count(*) FROM deliveries WHERE event_id = ? AND executor = ? AND outcome <> 'duplicate'",
        (delivery.event_id, delivery.executor),
    )[0][0]
    return replace(delivery, id=f"{delivery.event_id}.{delivery.executor}" + (f"#{before + 1}" if before else ""))


REPLAY: Verb[Dispatched, list[Delivery]] = Verb("replay", _record_replays, rings=("executions",))
