"""Questions about events and what became of them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlmodel import Session, col, select

from hub.model.event import Delivery, Event, Outcome
from hub.store.tables import (
    NEW,
    DeliveryRow,
    EventRow,
)


def new_events(session: Session, after: str, limit: int) -> list[Event]:
    """Events that dispatch has not seen, oldest first."""
    statement = select(EventRow).where(EventRow.state == NEW, EventRow.id > after).order_by(EventRow.id).limit(limit)
    return [event_of(row) for row in session.exec(statement)]


def event(session: Session, event_id: str) -> Event | None:
    row = session.get(EventRow, event_id)
    return None if row is None else event_of(row)


def events(
    session: Session, *, executor: str | None, outcome: str | None, since: int | None, limit: int, before: str | None
) -> list[Event]:
    """Newest first; `before` is the id after which the next page begins."""
    statement = select(EventRow).order_by(col(EventRow.id).desc()).limit(limit)
    if before is not None:
        statement = statement.where(EventRow.id < before)
    if since is not None:
        statement = statement.where(EventRow.received_at >= since)
    if executor is not None or outcome is not None:
        met = select(DeliveryRow.event_id)
        if executor is not None:
            met = met.where(DeliveryRow.executor == executor)
        if outcome is not None:
            met = met.where(DeliveryRow.outcome == outcome)
        statement = statement.where(col(EventRow.id).in_(met))
    return [event_of(row) for row in session.exec(statement)]


def deliveries(
    session: Session, *, event_ids: Sequence[str] | None = None, executor: str | None = None, limit: int = 1000
) -> list[Delivery]:
    """Of these events, oldest first; or of one executor, newest first."""
    statement = select(DeliveryRow).limit(limit)
    if event_ids is not None:
        statement = statement.where(col(DeliveryRow.event_id).in_(event_ids)).order_by(
            col(DeliveryRow.created_at), DeliveryRow.id
        )
    if executor is not None:
        statement = statement.where(DeliveryRow.executor == executor).order_by(col(DeliveryRow.id).desc())
    return [delivery_of(row) for row in session.exec(statement)]


def delivery(session: Session, delivery_id: str) -> Delivery | None:
    row = session.get(DeliveryRow, delivery_id)
    return None if row is None else delivery_of(row)


def event_of(row: EventRow) -> Event:
    return Event(
        row.id,
        row.source,
        row.key,
        row.type,
        row.time,
        row.received_at,
        json.loads(row.payload),
        row.namespace,
        row.model,
        row.body,
        tuple(json.loads(row.executors)),
    )


def delivery_of(row: DeliveryRow) -> Delivery:
    return Delivery(
        row.id,
        row.event_id,
        row.executor,
        Outcome(row.outcome),
        row.reason,
        row.created_at,
        row.execution_id,
        json.loads(row.evaluation),
    )
