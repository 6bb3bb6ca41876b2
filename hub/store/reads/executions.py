"""Questions about executions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import func, text
from sqlmodel import Session, col, select

from hub.model.execution import ENDED, Checkpoint, ExecutionRecord, JobStatus, LogLine, Status, as_seen
from hub.model.values import parse_or_none
from hub.store.keys import given_priority
from hub.store.reads.contents import Texts
from hub.store.tables import (
    CheckpointRow,
    ExecutionRow,
    LogRow,
)


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
    rows = session.exec(statement).all()
    texts = Texts(session, [row.result for row in rows])
    return [execution_of(row, texts) for row in rows]


def execution(session: Session, execution_id: str) -> ExecutionRecord | None:
    """One execution with its jobs."""
    row = session.get(ExecutionRow, execution_id)
    if row is None:
        return None
    statement = (
        select(CheckpointRow)
        .where(CheckpointRow.execution_id == execution_id)
        .order_by(col(CheckpointRow.started_at), col(CheckpointRow.call_number), CheckpointRow.path)
    )
    calls = session.exec(statement).all()
    texts = Texts(session, [row.result, *(call.result for call in calls)])
    found = execution_of(row, texts)
    ended = found.status if found.status in ENDED else None
    return replace(found, jobs=as_seen((_checkpoint(call, texts) for call in calls), ended))


def resumable(
    session: Session, *, status: Status, workflow: str | None, since: int | None, after: str, limit: int
) -> list[tuple[str, str]]:
    """Ids and workflows of executions that can be resumed, the oldest first. `since`: failed then or later, or last begun."""
    statement = select(ExecutionRow.id, ExecutionRow.workflow).where(col(ExecutionRow.id) > after)
    statement = statement.order_by(col(ExecutionRow.id)).limit(limit)
    if status is Status.FAILED:
        # Written out, so that the index of the failed ones is used.
        statement = statement.where(text("executions.status = 'FAILED'"))
        moment = col(ExecutionRow.finished_at)
    else:
        statement = statement.where(ExecutionRow.status == status, col(ExecutionRow.due_at).is_not(None))
        moment = col(ExecutionRow.started_at)
    if workflow is not None:
        statement = statement.where(ExecutionRow.workflow == workflow)
    if since is not None:
        statement = statement.where(moment >= since)
    return list(session.exec(statement))


def status_of(session: Session, execution_id: str) -> Status | None:
    found = session.exec(select(ExecutionRow.status).where(ExecutionRow.id == execution_id)).first()
    return None if found is None else Status(found)


def known(session: Session, executions: Sequence[str]) -> set[str]:
    """Which of these executions there are; at most some hundred are asked for at once."""
    return set(session.exec(select(ExecutionRow.id).where(col(ExecutionRow.id).in_(executions))))


def workflow_of(session: Session, execution_id: str) -> str | None:
    return session.exec(select(ExecutionRow.workflow).where(ExecutionRow.id == execution_id)).first()


def lost(session: Session, claims: Sequence[tuple[str, int]]) -> list[str]:
    """Which of these executions are not held under this epoch any more, or are about to be claimed by another node."""
    epochs = dict(claims)
    gone = []
    for start in range(0, len(claims), 500):
        part = [identifier for identifier, _ in claims[start : start + 500]]
        statement = select(ExecutionRow.id, ExecutionRow.epoch, ExecutionRow.status, ExecutionRow.due_at).where(
            col(ExecutionRow.id).in_(part)
        )
        gone += [
            identifier
            for identifier, epoch, status, due_at in session.exec(statement)
            if epoch != epochs[identifier] or status != Status.RUNNING or due_at is not None
        ]
    return gone


def still_held(session: Session, execution_id: str, now: int) -> bool:
    """Whether a node that lives has not yet said that it has stopped this cancelled execution, or one of its children."""
    question = text(
        "WITH RECURSIVE family(id) AS (SELECT id FROM executions WHERE id = :id UNION ALL "
        "SELECT e.id FROM executions e JOIN family f ON e.parent_id = f.id) "
        "SELECT count(*) FROM family JOIN executions e ON e.id = family.id JOIN nodes n ON n.id = e.owner "
        "WHERE e.status = 'CANCELED' AND n.lease_until > :now"
    )
    return bool(session.connection().execute(question, {"id": execution_id, "now": now}).scalar_one())


def count_by_status(session: Session) -> dict[str, int]:
    statement = select(ExecutionRow.status, func.count()).group_by(ExecutionRow.status)
    return dict(session.exec(statement).all())


def count_running(session: Session, workflow: str, key: str | None) -> int:
    """How many of a workflow run, or of one concurrency key of it, as its limit counts them."""
    statement = (
        select(func.count())
        .select_from(ExecutionRow)
        .where(
            text("executions.status = 'RUNNING'"), ExecutionRow.workflow == workflow, col(ExecutionRow.due_at).is_(None)
        )
    )
    if key is not None:
        statement = statement.where(ExecutionRow.concurrency_key == key)
    return session.exec(statement).one()


def next_due(session: Session, workflows: Sequence[str], after: int) -> int | None:
    """When, later than `after`, the next execution of these workflows may be claimed.

    A step into the index for each workflow: asked for all at once, a database looks at everything that waits.
    """
    found: list[int] = []
    for start in range(0, len(workflows), 100):
        part = {f"w{place}": name for place, name in enumerate(workflows[start : start + 100])}
        statement = text(
            f"WITH v(workflow) AS (VALUES {', '.join(f'(:{name})' for name in part)}) "
            "SELECT min(due) FROM (SELECT (SELECT min(e.due_at) FROM executions e WHERE e.workflow = v.workflow "
            "AND e.due_at IS NOT NULL AND e.due_at > :after) AS due FROM v) AS firsts"
        )
        found += [
            due for (due,) in session.connection().execute(statement, {**part, "after": after}) if due is not None
        ]
    return min(found, default=None)


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


def execution_of(row: ExecutionRow, texts: Callable[[str | None], str | None]) -> ExecutionRecord:
    return ExecutionRecord(
        id=row.id,
        workflow=row.workflow,
        status=Status(row.status),
        invoker=parse_or_none(row.invoker),
        args=parse_or_none(row.args),
        result=parse_or_none(texts(row.result)),
        error=parse_or_none(row.error),
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
        priority=given_priority(row.priority),
        concurrency_key=row.concurrency_key,
        forked_from=row.forked_from,
        forked_at=row.forked_at,
    )


def _checkpoint(row: CheckpointRow, texts: Texts) -> Checkpoint:
    return Checkpoint(
        row.path,
        row.name,
        JobStatus(row.status),
        row.args,
        row.args_hash,
        texts(row.result),
        row.error,
        row.attempts,
        bool(row.handled),
        row.started_at,
        row.finished_at,
        row.epoch,
        row.call_number,
    )
