"""Reads: what people and loops ask of the store. Nothing here writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from hub.model.event import Delivery, Event, Outcome
from hub.model.execution import ENDED, Checkpoint, ExecutionRecord, JobStatus, LogLine, Status
from hub.model.schedule import StoredSchedule
from hub.model.wait import WaitKind, WaitRecord, WaitState
from hub.store.tables import (
    NEW,
    CheckpointRow,
    DeliveryRow,
    EventRow,
    ExecutionRow,
    ExecutorStateRow,
    LogRow,
    NodeRow,
    ScheduleRow,
    SlotRow,
    WaitRow,
    WebhookTokenRow,
)


def new_events(session: Session, after: str, limit: int) -> list[Event]:
    """Events that dispatch has not seen, oldest first."""
    statement = select(EventRow).where(EventRow.state == NEW, EventRow.id > after).order_by(EventRow.id).limit(limit)
    return [_event(row) for row in session.exec(statement)]


def event(session: Session, event_id: str) -> Event | None:
    row = session.get(EventRow, event_id)
    return None if row is None else _event(row)


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
    return [_event(row) for row in session.exec(statement)]


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
    return [_delivery(row) for row in session.exec(statement)]


def delivery(session: Session, delivery_id: str) -> Delivery | None:
    row = session.get(DeliveryRow, delivery_id)
    return None if row is None else _delivery(row)


def executions(
    session: Session,
    *,
    workflow: str | None = None,
    status: str | None = None,
    executor: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[ExecutionRecord]:
    """Newest first, without their jobs."""
    statement = select(ExecutionRow).order_by(col(ExecutionRow.id).desc()).limit(limit)
    if workflow is not None:
        statement = statement.where(ExecutionRow.workflow == workflow)
    if status is not None:
        statement = statement.where(ExecutionRow.status == status)
    if executor is not None:
        statement = statement.where(ExecutionRow.executor == executor)
    if before is not None:
        statement = statement.where(ExecutionRow.id < before)
    return [_execution(row) for row in session.exec(statement)]


def execution(session: Session, execution_id: str) -> ExecutionRecord | None:
    """One execution with its jobs."""
    row = session.get(ExecutionRow, execution_id)
    if row is None:
        return None
    statement = (
        select(CheckpointRow)
        .where(CheckpointRow.execution_id == execution_id)
        .order_by(col(CheckpointRow.started_at), CheckpointRow.path)
    )
    return replace(_execution(row), jobs=tuple(_checkpoint(found) for found in session.exec(statement)))


def status_of(session: Session, execution_id: str) -> Status | None:
    found = session.exec(select(ExecutionRow.status).where(ExecutionRow.id == execution_id)).first()
    return None if found is None else Status(found)


def lost(session: Session, claims: Sequence[tuple[str, int]]) -> list[str]:
    """Which of these executions are not held under this epoch any more."""
    epochs = dict(claims)
    gone = []
    for start in range(0, len(claims), 500):
        part = [identifier for identifier, _ in claims[start : start + 500]]
        statement = select(ExecutionRow.id, ExecutionRow.epoch, ExecutionRow.status).where(
            col(ExecutionRow.id).in_(part)
        )
        gone += [
            identifier
            for identifier, epoch, status in session.exec(statement)
            if epoch != epochs[identifier] or status != Status.RUNNING
        ]
    return gone


def count_by_status(session: Session) -> dict[str, int]:
    statement = select(ExecutionRow.status, func.count()).group_by(ExecutionRow.status)
    return dict(session.exec(statement).all())


def next_due(session: Session, workflows: Sequence[str], after: int) -> int | None:
    """When, later than `after`, the next execution of these workflows may be claimed."""
    statement = select(func.min(ExecutionRow.due_at)).where(
        col(ExecutionRow.due_at) > after, col(ExecutionRow.workflow).in_(workflows)
    )
    return session.exec(statement).one()


def waits(
    session: Session, *, execution_id: str | None, kind: str | None, open_only: bool, limit: int
) -> list[WaitRecord]:
    """What executions wait for, the newest first."""
    statement = (
        select(WaitRow, ExecutionRow.workflow, CheckpointRow.result)
        .join(ExecutionRow, col(ExecutionRow.id) == WaitRow.execution_id)
        .join(
            CheckpointRow,
            (col(CheckpointRow.execution_id) == WaitRow.execution_id) & (col(CheckpointRow.path) == WaitRow.path),
        )
        .order_by(col(WaitRow.created_at).desc(), WaitRow.path)
        .limit(limit)
    )
    if execution_id is not None:
        statement = statement.where(WaitRow.execution_id == execution_id)
    if kind is not None:
        statement = statement.where(WaitRow.kind == kind)
    if open_only:
        # Whoever asked and has ended does not listen any more.
        statement = statement.where(
            WaitRow.state == WaitState.WAITING.value, col(ExecutionRow.status).not_in([one.value for one in ENDED])
        )
    return [_wait(row, workflow, result) for row, workflow, result in session.exec(statement)]


def logs(session: Session, execution_id: str, after: int, limit: int) -> list[tuple[int, LogLine]]:
    """Lines behind number `after`, each with its number."""
    statement = (
        select(LogRow)
        .where(LogRow.execution_id == execution_id, col(LogRow.id) > after)
        .order_by(col(LogRow.id))
        .limit(limit)
    )
    return [
        (row.id or 0, LogLine(row.execution_id, row.path, row.at, row.level, row.message))
        for row in session.exec(statement)
    ]


def schedules(session: Session, due_by: int | None = None, limit: int | None = None) -> list[StoredSchedule]:
    """All of them, or those that are due, the earliest first."""
    paused = paused_executors(session)
    statement = select(ScheduleRow).order_by(col(ScheduleRow.next_fire_at)).limit(limit)
    if due_by is not None:
        statement = statement.where(col(ScheduleRow.next_fire_at) <= due_by)
    return [
        StoredSchedule(row.executor, row.definition, row.next_fire_at, row.executor in paused)
        for row in session.exec(statement)
    ]


def slots(session: Session, executor: str, limit: int) -> list[SlotRow]:
    """The latest slots of a schedule, newest first."""
    statement = select(SlotRow).where(SlotRow.executor == executor).order_by(col(SlotRow.at).desc()).limit(limit)
    return list(session.exec(statement))


def paused_executors(session: Session) -> set[str]:
    return set(session.exec(select(ExecutorStateRow.executor).where(ExecutorStateRow.paused == 1)))


def webhook_tokens(session: Session) -> dict[str, str]:
    return {row.executor: row.token for row in session.exec(select(WebhookTokenRow))}


def nodes(session: Session) -> list[NodeRow]:
    return list(session.exec(select(NodeRow).order_by(NodeRow.id)))


def _event(row: EventRow) -> Event:
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


def _delivery(row: DeliveryRow) -> Delivery:
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


def _wait(row: WaitRow, workflow: str, result: str | None) -> WaitRecord:
    return WaitRecord(
        row.execution_id,
        workflow,
        row.path,
        row.name,
        WaitKind(row.kind),
        row.key,
        _loaded(row.args),
        WaitState(row.state),
        row.created_at,
        row.deadline,
        row.resolved_at,
        row.resolved_by,
        _loaded(result),
        row.permission,
    )


def _loaded(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _execution(row: ExecutionRow) -> ExecutionRecord:
    return ExecutionRecord(
        id=row.id,
        workflow=row.workflow,
        status=Status(row.status),
        invoker=_loaded(row.invoker),
        args=_loaded(row.args),
        result=_loaded(row.result),
        error=_loaded(row.error),
        executor=row.executor,
        event_id=row.event_id,
        attempts=row.attempts,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        revision=row.revision,
        due_at=row.due_at,
        reason=row.reason,
        requested_by=row.requested_by,
    )


def _checkpoint(row: CheckpointRow) -> Checkpoint:
    return Checkpoint(
        row.path,
        row.name,
        JobStatus(row.status),
        row.args,
        row.args_hash,
        row.result,
        row.error,
        row.attempts,
        bool(row.handled),
        row.started_at,
        row.finished_at,
        row.epoch,
    )
