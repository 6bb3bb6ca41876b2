"""Questions about waits."""

from __future__ import annotations

from sqlalchemy import text
from sqlmodel import Session, col, select

from hub.model.execution import ENDED
from hub.model.values import parse_or_none
from hub.model.wait import WaitKind, WaitRecord, WaitState
from hub.store.reads.contents import Texts
from hub.store.tables import (
    CheckpointRow,
    ExecutionRow,
    WaitRow,
)


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
        # Whoever asked and has ended does not listen any more. The state is written out as the partial index has it.
        statement = statement.where(
            text("waits.state = 'WAITING'"), col(ExecutionRow.status).not_in([one.value for one in ENDED])
        )
    rows = session.exec(statement).all()
    texts = Texts(session, [result for _, _, result in rows])
    return [wait_of(row, workflow, texts(result)) for row, workflow, result in rows]


def wait_of(row: WaitRow, workflow: str, result: str | None) -> WaitRecord:
    return WaitRecord(
        row.execution_id,
        workflow,
        row.path,
        row.name,
        WaitKind(row.kind),
        row.key,
        parse_or_none(row.args),
        WaitState(row.state),
        row.created_at,
        row.deadline,
        row.resolved_at,
        row.resolved_by,
        parse_or_none(result),
        row.permission,
    )
