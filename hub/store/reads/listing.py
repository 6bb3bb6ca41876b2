"""Lists, newest first, a page at a time: each begins behind the last thing of the page before.

A page costs the same in a store of a million rows: every filter, and every pair of filters, has an index that is already in the
order of the list. Statuses are written out rather than bound where an index is partial, since it would not be found otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import literal_column, text
from sqlmodel import Session, col, select

from hub.model.clock import first_id
from hub.model.event import Delivery, Event
from hub.model.execution import ENDED, ExecutionRecord, Status
from hub.model.wait import WaitRecord
from hub.store.contents import is_reference
from hub.store.listed import within
from hub.store.reads.contents import Texts
from hub.store.reads.events import delivery_of, event_of
from hub.store.reads.executions import execution_of
from hub.store.reads.waits import wait_of
from hub.store.refused import RefusedDelivery, delivery_refused
from hub.store.tables import CheckpointRow, DeliveryRow, EventRow, ExecutionRow, RefusedRow, SlotRow, WaitRow

#: Rows that are fetched at once, where one of them may be large.
_AT_ONCE = 20
#: Of these there are most, or few at any time: they are not in the indexes for statuses.
_USUAL = ("RUNNING", "SUCCESS")
_UNUSUAL = text("status NOT IN ('RUNNING', 'SUCCESS')")


def executions(
    session: Session,
    *,
    workflow: str | None,
    status: str | None,
    executor: str | None,
    since: int | None,
    before: str | None,
    limit: int,
) -> list[ExecutionRecord]:
    """Without their jobs."""
    # The running ones are few and have an index of their own; in the order of ids it would not be used.
    order: Any = col(ExecutionRow.id) if status != Status.RUNNING else col(ExecutionRow.id) + ""
    statement = select(ExecutionRow).order_by(order.desc())
    if workflow is not None:
        statement = statement.where(ExecutionRow.workflow == workflow)
    if executor is not None:
        statement = statement.where(ExecutionRow.executor == executor)
    if status is not None:
        statement = statement.where(col(ExecutionRow.status) == literal_column(f"'{Status(status).value}'"))
        if status not in _USUAL:
            statement = statement.where(_UNUSUAL)
        elif status == Status.RUNNING:
            statement = statement.where(col(ExecutionRow.finished_at).is_(None))
    if since is not None:
        statement = statement.where(ExecutionRow.id >= first_id(since))
    if before is not None:
        statement = statement.where(ExecutionRow.id < before)
    return within(_sized_executions(session, statement, limit))


def _sized_executions(session: Session, statement: Any, limit: int) -> Iterator[tuple[ExecutionRecord, int]]:
    for rows in _by_and_by(session, statement, ExecutionRow.id, limit):
        texts = Texts(session, [row.result for row in rows])
        for row in rows:
            record = execution_of(row, texts)
            result = row.result or ""
            yield record, len(row.args) + len((texts(result) or "") if is_reference(result) else result)


def events(
    session: Session,
    *,
    executor: str | None,
    outcome: str | None,
    since: int | None,
    before: str | None,
    limit: int,
) -> list[Event]:
    """Those that an executor met, or that ended in an outcome anywhere."""
    if executor is None and outcome is None:
        statement = _window(select(EventRow), EventRow.id, since, before)
        return within(_sized_events(session, statement.order_by(col(EventRow.id).desc()), limit))
    found: list[str] = []
    behind = before
    while len(found) < limit:
        # A replayed event has several deliveries, one behind the other.
        met = _window(select(DeliveryRow.event_id), DeliveryRow.id, since, behind)
        if executor is not None:
            met = met.where(DeliveryRow.executor == executor)
        if outcome is not None:
            met = met.where(DeliveryRow.outcome == outcome)
        ids = list(session.exec(met.order_by(col(DeliveryRow.id).desc()).limit(limit)))
        found = list(dict.fromkeys([*found, *ids]))[:limit]
        if len(ids) < limit:
            break
        behind = ids[-1]
    these = select(EventRow).where(col(EventRow.id).in_(found)).order_by(col(EventRow.id).desc())
    return within(_sized_events(session, these, limit))


def _sized_events(session: Session, statement: Any, limit: int) -> Iterator[tuple[Event, int]]:
    for rows in _by_and_by(session, statement, EventRow.id, limit):
        for row in rows:
            yield event_of(row), len(row.payload) + len(row.body or b"")


def _by_and_by(session: Session, statement: Any, key: Any, limit: int) -> Iterator[list[Any]]:
    """A few rows at a time, by their ids downwards: any of them may be large, and then the next ones are not wanted."""
    before = None
    while limit > 0:
        size = min(limit, _AT_ONCE)
        asked = statement if before is None else statement.where(col(key) < before)
        rows = list(session.exec(asked.limit(size)))
        yield rows
        if len(rows) < size:
            return
        before, limit = rows[-1].id, limit - size


def deliveries(session: Session, *, executor: str, before: str | None, limit: int) -> list[Delivery]:
    """Of one executor."""
    statement = _window(select(DeliveryRow).where(DeliveryRow.executor == executor), DeliveryRow.id, None, before)
    return [delivery_of(row) for row in session.exec(statement.order_by(col(DeliveryRow.id).desc()).limit(limit))]


def waits(
    session: Session,
    *,
    kind: str,
    execution_id: str | None,
    open_only: bool,
    before: tuple[int, str, str] | None,
    limit: int,
) -> list[WaitRecord]:
    """`before`: when the last one was asked, its execution and its path."""
    statement = (
        select(WaitRow, ExecutionRow.workflow, CheckpointRow.result)
        .join(ExecutionRow, col(ExecutionRow.id) == WaitRow.execution_id)
        .join(
            CheckpointRow,
            (col(CheckpointRow.execution_id) == WaitRow.execution_id) & (col(CheckpointRow.path) == WaitRow.path),
        )
        .where(WaitRow.kind == kind)
        .order_by(col(WaitRow.created_at).desc(), col(WaitRow.execution_id).desc(), col(WaitRow.path).desc())
        .limit(limit)
    )
    if execution_id is not None:
        statement = statement.where(WaitRow.execution_id == execution_id)
    if open_only:
        # Whoever asked and has ended does not listen any more.
        statement = statement.where(
            text("waits.state = 'WAITING'"), col(ExecutionRow.status).not_in([one.value for one in ENDED])
        )
    if before is not None:
        at, execution, path = before
        statement = statement.where(
            col(WaitRow.created_at) <= at,
            (col(WaitRow.created_at) < at)
            | (col(WaitRow.execution_id) < execution)
            | ((col(WaitRow.execution_id) == execution) & (col(WaitRow.path) < path)),
        )
    rows = session.exec(statement).all()
    texts = Texts(session, [result for _, _, result in rows])
    return [wait_of(row, workflow, texts(result)) for row, workflow, result in rows]


def slots(session: Session, *, executor: str, before: int | None, limit: int) -> list[Any]:
    """Of one schedule."""
    statement = _window(select(SlotRow).where(SlotRow.executor == executor), SlotRow.at, None, before)
    return list(session.exec(statement.order_by(col(SlotRow.at).desc()).limit(limit)))


def refused(session: Session, *, executor: str | None, before: int | None, limit: int) -> list[RefusedDelivery]:
    """Of one executor, or of all."""
    statement = _window(select(RefusedRow), RefusedRow.id, None, before)
    if executor is not None:
        statement = statement.where(RefusedRow.executor == executor)
    return [delivery_refused(row) for row in session.exec(statement.order_by(col(RefusedRow.id).desc()).limit(limit))]


def _window(statement: Any, key: Any, since: int | None, before: str | int | None) -> Any:
    """What is at `since` or later, and behind `before`."""
    if since is not None:
        statement = statement.where(col(key) >= first_id(since))
    return statement if before is None else statement.where(col(key) < before)
