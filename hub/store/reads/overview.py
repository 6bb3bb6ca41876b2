"""Questions whose answers are short however much is stored: counts within bounds, and the newest of what is rare."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, text
from sqlmodel import Session, col, select

from hub.model.clock import first_id
from hub.model.event import Delivery, Outcome
from hub.model.execution import ENDED, ExecutionRecord, Status
from hub.model.schedule import StoredSchedule
from hub.store.reads.contents import Texts
from hub.store.reads.events import delivery_of
from hub.store.reads.executions import execution_of
from hub.store.reads.upkeep import paused_executors
from hub.store.tables import DeliveryRow, EventRow, ExecutionRow, ScheduleRow
from hub.store.undispatched import OLDEST

#: Written out as the partial indexes have it: a bound value would not find them.
_FAILED = text("executions.status = 'FAILED'")


def sources_between(session: Session, begin: int, end: int) -> dict[str, int]:
    """How many events of each source were stored in `[begin, end)`, milliseconds since 1970 UTC."""
    statement = (
        select(EventRow.source, func.count())
        .where(EventRow.id >= first_id(begin), EventRow.id < first_id(end))
        .group_by(EventRow.source)
    )
    return dict(session.exec(statement).all())


def outcomes_between(session: Session, begin: int, end: int) -> dict[str, int]:
    """How many deliveries of events of that time had each outcome."""
    counts = {}
    for outcome in Outcome:
        # One by one each is a stretch of an index, and no row is read.
        statement = select(func.count()).where(
            DeliveryRow.outcome == outcome.value, DeliveryRow.id >= first_id(begin), DeliveryRow.id < first_id(end)
        )
        counts[outcome.value] = session.exec(statement).one()
    return counts


def failed_executions(session: Session, since: int, limit: int) -> list[ExecutionRecord]:
    """That ended at `since` or later, the latest first."""
    statement = (
        select(ExecutionRow)
        .where(_FAILED, col(ExecutionRow.finished_at) >= since)
        .order_by(col(ExecutionRow.finished_at).desc())
        .limit(limit)
    )
    return _records(session, session.exec(statement).all())


def failed_deliveries(session: Session, since: int, limit: int) -> list[Delivery]:
    """Of events at `since` or later, newest first."""
    statement = (
        select(DeliveryRow)
        .where(DeliveryRow.outcome == Outcome.FAILED.value, DeliveryRow.id >= first_id(since))
        .order_by(col(DeliveryRow.id).desc())
        .limit(limit)
    )
    return [delivery_of(row) for row in session.exec(statement)]


def statuses(session: Session, ids: Sequence[str]) -> dict[str, str]:
    """The status of each of these executions that there still is."""
    statement = select(ExecutionRow.id, ExecutionRow.status).where(col(ExecutionRow.id).in_(ids))
    return dict(session.exec(statement).all())


def oldest_new_event(session: Session) -> int | None:
    """When the oldest event came that dispatch has not seen."""
    statement = text(f"SELECT received_at FROM events WHERE id = ({OLDEST})")
    row = session.connection().execute(statement, {"behind": ""}).first()
    return None if row is None else int(row[0])


def next_schedules(session: Session, limit: int, after: tuple[int, str] | None = None) -> list[StoredSchedule]:
    """Those that come next, the earliest first; behind an instant and a name."""
    paused = paused_executors(session)
    statement = (
        select(ScheduleRow)
        .where(col(ScheduleRow.next_fire_at).is_not(None))
        .order_by(col(ScheduleRow.next_fire_at), col(ScheduleRow.executor))
        .limit(limit)
    )
    if after is not None:
        at, name = after
        due = col(ScheduleRow.next_fire_at)
        statement = statement.where(due >= at, (due > at) | (col(ScheduleRow.executor) > name))
    return [
        StoredSchedule(row.executor, row.definition, row.next_fire_at, row.executor in paused)
        for row in session.exec(statement)
    ]


def fires_of(session: Session, names: Sequence[str]) -> dict[str, int]:
    """When each of these schedules comes next; those that never do are left out."""
    statement = select(ScheduleRow.executor, ScheduleRow.next_fire_at).where(col(ScheduleRow.executor).in_(names))
    return {name: at for name, at in session.exec(statement) if at is not None}


def executions_with_ids(session: Session, ids: Sequence[str]) -> list[ExecutionRecord]:
    """Newest first, without their jobs."""
    statement = select(ExecutionRow).where(col(ExecutionRow.id).in_(ids)).order_by(col(ExecutionRow.id).desc())
    return _records(session, session.exec(statement).all())


def children_of(session: Session, execution_id: str, limit: int) -> list[ExecutionRecord]:
    """Newest first, without their jobs."""
    statement = select(ExecutionRow).where(text("parent_id IS NOT NULL"), ExecutionRow.parent_id == execution_id)
    statement = statement.order_by(col(ExecutionRow.id).desc()).limit(limit)
    return _records(session, session.exec(statement).all())


def _records(session: Session, rows: Sequence[ExecutionRow]) -> list[ExecutionRecord]:
    texts = Texts(session, [row.result for row in rows])
    return [execution_of(row, texts) for row in rows]


def open_executions(session: Session, most: int) -> dict[str, int]:
    """How many executions of each status have not ended; no status is counted further than `most`."""
    found = {}
    for status in Status:
        if status not in ENDED:
            # Written out, as the partial indexes have it.
            here = select(ExecutionRow.id).where(text(f"executions.status = '{status.value}'")).limit(most)
            if status is not Status.RUNNING:
                here = here.where(text("executions.status NOT IN ('RUNNING', 'SUCCESS')"))
            found[status.value] = session.exec(select(func.count()).select_from(here.subquery())).one()
    return found
