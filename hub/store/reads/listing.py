"""Lists, newest first, a page at a time: each begins behind the last thing of the page before.

A page costs the same in a store of a million rows: every filter, and every pair of filters, has an index that is already in the
order of the list, and a list is a stretch of that index (`_index_range`). Statuses are written out rather than bound where an index is
partial, since it would not be found otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import literal_column, text, tuple_
from sqlalchemy import select as values_of
from sqlmodel import Session, col, select

from hub.model.clock import first_id
from hub.model.event import Delivery, Event
from hub.model.execution import ENDED, ExecutionRecord, Status
from hub.model.schedule import RecordedSlot
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
#: Behind every identifier.
_BEHIND_ALL = "~"
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
    """Without their jobs, and without results that are kept apart."""
    statement = select(ExecutionRow)
    at: list[list[tuple[Any, str]]] = [[] if workflow is None else [(ExecutionRow.workflow, workflow)]]
    if executor is not None:
        # It starts one workflow, or has started a few in the course of time: of each there is a list.
        statement = statement.where(col(ExecutionRow.executor).is_not(None))
        started = _workflows_of(session, executor)
        names = started if workflow is None else [workflow] if workflow in started else []
        at = [[(ExecutionRow.executor, executor), (ExecutionRow.workflow, name)] for name in names]
    if status == Status.RUNNING:
        lists = [_running(statement, one, since, before) for one in at]
    else:
        unusual = [] if status is None or status in _USUAL else [(ExecutionRow.status, Status(status).value)]
        asked = _in_status(statement, status)
        lists = [_index_range(asked, [*one, *unusual], ExecutionRow.id, since, before) for one in at]
    sized = [_sized_executions(session, one, limit) for one in lists]
    return within(islice(merge(*sized, key=lambda one: one[0].id, reverse=True), limit))


def _in_status(statement: Any, status: str | None) -> Any:
    """In this status, or in one of those that have indexes of their own."""
    if status is None:
        return statement
    if status not in _USUAL:
        return statement.where(_UNUSUAL)
    return statement.where(col(ExecutionRow.status) == literal_column(f"'{Status(status).value}'"))


def _workflows_of(session: Session, executor: str) -> list[str]:
    """Those that it has ever started: one step into the index for each."""
    found: list[str] = []
    columns = col(ExecutionRow.executor), col(ExecutionRow.workflow), col(ExecutionRow.id)
    started = select(ExecutionRow.executor, ExecutionRow.workflow).where(columns[0].is_not(None)).order_by(*columns)
    while True:
        # Also behind every id: SQLite begins a search by the first columns alone where these are equal.
        behind = tuple_(executor, found[-1] if found else "", _BEHIND_ALL)
        row = session.exec(started.where(tuple_(*columns) > behind).limit(1)).first()
        if row is None or row[0] != executor:
            return found
        found.append(row[1])


def _running(statement: Any, at: Sequence[tuple[Any, str]], since: int | None, before: str | None) -> Any:
    """They are few and have an index of their own; neither for the order of ids nor for what they are of is another one used."""
    running = statement.where(text("executions.status = 'RUNNING'"), col(ExecutionRow.finished_at).is_(None))
    running = running.where(*[col(column) + "" == value for column, value in at])
    return _window(running, ExecutionRow.id, since, before).order_by((col(ExecutionRow.id) + "").desc())


def _sized_executions(session: Session, statement: Any, limit: int) -> Iterator[tuple[ExecutionRecord, int]]:
    for rows in _in_small_batches(session, statement, ExecutionRow.id, limit):
        for row in rows:
            apart = is_reference(row.result)
            record = execution_of(row, lambda text: None if is_reference(text) else text)
            yield replace(record, result_left_out=apart), len(row.args) + len(row.result or "")


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
        statement = _index_range(select(EventRow), [], EventRow.id, since, before)
        return within(_sized_events(session, statement, limit))
    found: list[str] = []
    behind = before
    while len(found) < limit:
        # A replayed event has several deliveries, one behind the other.
        at = [
            (column, value)
            for column, value in ((DeliveryRow.executor, executor), (DeliveryRow.outcome, outcome))
            if value is not None
        ]
        met = _index_range(select(DeliveryRow.event_id), at, DeliveryRow.id, since, behind)
        ids = list(session.exec(met.limit(limit)))
        found = list(dict.fromkeys([*found, *ids]))[:limit]
        if len(ids) < limit:
            break
        behind = ids[-1]
    these = select(EventRow).where(col(EventRow.id).in_(found)).order_by(col(EventRow.id).desc())
    return within(_sized_events(session, these, limit))


def _sized_events(session: Session, statement: Any, limit: int) -> Iterator[tuple[Event, int]]:
    for rows in _in_small_batches(session, statement, EventRow.id, limit):
        for row in rows:
            yield event_of(row), len(row.payload) + len(row.body or b"")


def _in_small_batches(session: Session, statement: Any, key: Any, limit: int) -> Iterator[list[Any]]:
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
    """The deliveries of one executor."""
    statement = _index_range(select(DeliveryRow), [(DeliveryRow.executor, executor)], DeliveryRow.id, None, before)
    return [delivery_of(row) for row in session.exec(statement.limit(limit))]


def waits(
    session: Session,
    *,
    kind: str | None,
    execution_id: str | None,
    open_only: bool,
    before: tuple[int, str, str] | None = None,
    limit: int,
) -> list[WaitRecord]:
    """`before`: when the last one was asked, its execution and its path."""
    # One by one, for those on the page: joined, all that wait may be looked up first.
    of_wait = col(ExecutionRow.id) == col(WaitRow.execution_id)
    workflow = select(ExecutionRow.workflow).where(of_wait).scalar_subquery()
    status = select(ExecutionRow.status).where(of_wait).scalar_subquery()
    result = (
        select(CheckpointRow.result)
        .where(col(CheckpointRow.execution_id) == WaitRow.execution_id, col(CheckpointRow.path) == WaitRow.path)
        .scalar_subquery()
    )
    statement: Any = (
        values_of(WaitRow, workflow, result)
        .order_by(col(WaitRow.created_at).desc(), col(WaitRow.execution_id).desc(), col(WaitRow.path).desc())
        .limit(limit)
    )
    if kind is not None:
        statement = statement.where(col(WaitRow.kind) == kind)
    if execution_id is not None:
        statement = statement.where(WaitRow.execution_id == execution_id)
    if open_only:
        # Whoever asked and has ended does not listen any more.
        statement = statement.where(text("waits.state = 'WAITING'"), status.not_in([one.value for one in ENDED]))
    if before is not None:
        at, execution, path = before
        statement = statement.where(
            col(WaitRow.created_at) <= at,
            (col(WaitRow.created_at) < at)
            | (col(WaitRow.execution_id) < execution)
            | ((col(WaitRow.execution_id) == execution) & (col(WaitRow.path) < path)),
        )
    rows = session.execute(statement).all()
    texts = Texts(session, [given for _, _, given in rows])
    return [wait_of(row, name, texts(given)) for row, name, given in rows]


def slots(session: Session, *, executor: str, before: int | None, limit: int) -> list[RecordedSlot]:
    """The slots of one schedule."""
    statement = _window(select(SlotRow).where(SlotRow.executor == executor), SlotRow.at, None, before)
    return [
        RecordedSlot(row.at, row.event_id, row.outcome, row.reason, row.recorded_at)
        for row in session.exec(statement.order_by(col(SlotRow.at).desc()).limit(limit))
    ]


def refused(session: Session, *, executor: str | None, before: int | None, limit: int) -> list[RefusedDelivery]:
    """Refused deliveries of one executor, or of all."""
    statement = _window(select(RefusedRow), RefusedRow.id, None, before)
    if executor is not None:
        statement = statement.where(RefusedRow.executor == executor)
    return [delivery_refused(row) for row in session.exec(statement.order_by(col(RefusedRow.id).desc()).limit(limit))]


def _index_range(statement: Any, at: Sequence[tuple[Any, str]], key: Any, since: int | None, before: str | None) -> Any:
    """What equals these in the leading columns of an index, within the window, newest first.

    Compared and ordered as rows of that index, which leaves a planner no other one. With equalities it may rather walk down
    the primary key, past everything that is not of this list: right on average, and without end for what has long been quiet.
    """
    if not at:
        return _window(statement, key, since, before).order_by(col(key).desc())
    columns = [*[column for column, _ in at], key]
    values = [value for _, value in at]
    begin = tuple_(*values, "" if since is None else first_id(since))
    end = tuple_(*values, _BEHIND_ALL if before is None else before)
    statement = statement.where(tuple_(*columns) >= begin, tuple_(*columns) < end)
    return statement.order_by(*[col(column).desc() for column in columns])


def _window(statement: Any, key: Any, since: int | None, before: str | int | None) -> Any:
    """What is at `since` or later, and behind `before`."""
    if since is not None:
        statement = statement.where(col(key) >= first_id(since))
    return statement if before is None else statement.where(col(key) < before)
