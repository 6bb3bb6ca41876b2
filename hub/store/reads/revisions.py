"""Questions about the definitions that executions began with."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlmodel import Session, col, select

from hub.store.tables import PARKED, ExecutionRow


def parked_revisions(session: Session) -> list[tuple[str, str]]:
    """The workflows and revisions of executions that have begun, have not ended and are held by nobody."""
    statement = (
        select(ExecutionRow.workflow, ExecutionRow.revision)
        .where(text(PARKED))
        .distinct()
        .order_by(ExecutionRow.workflow, col(ExecutionRow.revision))
    )
    return [(workflow, revision or "") for workflow, revision in session.exec(statement)]


def parked(session: Session, workflow: str, revision: str, limit: int) -> Sequence[str]:
    """Such executions of one workflow and revision, the oldest first."""
    statement = (
        select(ExecutionRow.id)
        .where(ExecutionRow.workflow == workflow, ExecutionRow.revision == revision, text(PARKED))
        .order_by(ExecutionRow.id)
        .limit(limit)
    )
    return list(session.exec(statement))
