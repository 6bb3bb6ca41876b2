"""Questions about schedules, executors and nodes."""

from __future__ import annotations

from sqlmodel import Session, col, select

from hub.model.node import Node
from hub.model.schedule import StoredSchedule
from hub.store.tables import ExecutorStateRow, NodeRow, ScheduleRow


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


def schedule(session: Session, executor: str) -> StoredSchedule | None:
    row = session.get(ScheduleRow, executor)
    state = session.get(ExecutorStateRow, executor)
    paused = state is not None and state.paused == 1
    return None if row is None else StoredSchedule(row.executor, row.definition, row.next_fire_at, paused)


def paused_executors(session: Session) -> set[str]:
    return set(session.exec(select(ExecutorStateRow.executor).where(ExecutorStateRow.paused == 1)))


def applied_executors(session: Session) -> dict[str, str]:
    statement = select(ExecutorStateRow.executor, ExecutorStateRow.definition)
    return {name: definition for name, definition in session.exec(statement) if definition is not None}


def is_served(session: Session, now: int) -> bool:
    """Whether a process holds a lease."""
    return session.exec(select(NodeRow.id).where(col(NodeRow.lease_until) > now).limit(1)).first() is not None


def nodes(session: Session, now: int) -> list[Node]:
    return [
        Node(
            row.id,
            row.host,
            row.pid,
            row.started_at,
            row.lease_until,
            row.revision,
            row.address,
            alive=row.lease_until > now,
        )
        for row in session.exec(select(NodeRow).order_by(NodeRow.id))
    ]
