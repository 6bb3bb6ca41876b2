"""Whether the books balance: whatever was accepted is there, has ended or will go on, and nothing is left over.

It reads everything, so it is for a person who asks and not for a loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import func, text
from sqlmodel import Session, col, select

from hub.model.books import Books, Finding
from hub.model.clock import iso
from hub.model.execution import ENDED, Status
from hub.store.reads.executions import count_by_status
from hub.store.tables import EventRow, NodeRow

#: How late something may be before it counts as overdue.
PATIENCE = 60_000
_MOST = 50

_ENDED = ", ".join(f"'{status.value}'" for status in sorted(ENDED))

#: Table, its column of execution ids, and what its rows are called.
_BELONGING = (
    ("checkpoints", "execution_id", "stored calls"),
    ("logs", "execution_id", "log lines"),
    ("waits", "execution_id", "waits"),
    ("answers", "execution_id", "answers"),
)

#: What is due to nobody: (question, reason).
_STRANDED = (
    (
        (
            "SELECT e.id FROM executions e WHERE e.status = 'WAITING' AND e.due_at IS NULL AND NOT EXISTS "
            "(SELECT 1 FROM waits w WHERE w.execution_id = e.id AND w.state = 'WAITING')"
        ),
        "it is parked, and nothing that it waits for is open: it would never go on",
    ),
    (
        (
            "SELECT e.id FROM executions e WHERE e.status = 'WAITING' AND e.due_at IS NULL AND EXISTS (SELECT 1 FROM waits w "
            "JOIN executions other ON other.id = w.key WHERE w.execution_id = e.id AND w.state = 'WAITING' "
            f"AND w.kind = 'execution' AND other.status IN ({_ENDED}))"
        ),
        "it waits for an execution that has ended",
    ),
    (
        (
            "SELECT e.id FROM executions e WHERE e.status IN ('PENDING', 'PENDING_RETRY', 'PENDING_RESUME') "
            "AND e.due_at IS NULL AND NOT EXISTS (SELECT 1 FROM executions other WHERE other.id = e.after_id "
            f"AND other.status NOT IN ({_ENDED}))"
        ),
        "it is to run, and is due at no time",
    ),
    (
        "SELECT id FROM executions WHERE status = 'RUNNING' AND due_at IS NULL AND owner IS NULL",
        "it runs, and nobody holds it",
    ),
)

_UNBALANCED = (
    (
        f"SELECT id FROM executions WHERE status IN ({_ENDED}) AND finished_at IS NULL",
        "it has ended, and at no time",
    ),
    (
        f"SELECT id FROM executions WHERE status NOT IN ({_ENDED}) AND finished_at IS NOT NULL",
        "it has an end, and goes on",
    ),
    (
        "SELECT id FROM executions WHERE status = 'FAILED' AND error IS NULL",
        "it has failed, and nobody knows why",
    ),
)


def books(session: Session, now: int, since: int) -> Books:
    """`since`: deliveries after it must still have their execution, which retention cannot have taken yet."""
    served = bool(session.exec(select(func.count()).where(col(NodeRow.lease_until) > now)).one())
    counted = count_by_status(session)
    findings = [
        *_unknown(counted),
        *_about(session, "balance", _UNBALANCED),
        *_started(session, since),
        *_orphans(session),
        *_about(session, "stranded", _STRANDED),
    ]
    if served:
        findings += _overdue(session, now)
    events = session.exec(select(func.count()).select_from(EventRow)).one()
    return Books(events, counted, served, tuple(findings))


def _unknown(counted: dict[str, int]) -> Iterator[Finding]:
    for status in counted.keys() - {status.value for status in Status}:
        yield Finding("balance", "table executions", f'{counted[status]} executions are "{status}", which is no status')


def _about(session: Session, kind: str, questions: tuple[tuple[str, str], ...]) -> Iterator[Finding]:
    for question, reason in questions:
        for (execution,) in _rows(session, question):
            yield Finding(kind, f"execution {execution}", reason)


def _started(session: Session, since: int) -> Iterator[Finding]:
    question = (
        "SELECT d.id, d.execution_id FROM deliveries d LEFT JOIN executions e ON e.id = d.execution_id "
        "WHERE d.outcome = 'started' AND d.created_at >= :since AND e.id IS NULL"
    )
    for delivery, execution in _rows(session, question, since=since):
        yield Finding("balance", f"delivery {delivery}", f"it started execution {execution}, which is not there")


def _orphans(session: Session) -> Iterator[Finding]:
    for table, column, called in _BELONGING:
        question = (
            f"SELECT o.{column}, count(*) FROM {table} o LEFT JOIN executions e ON e.id = o.{column} "
            f"WHERE e.id IS NULL GROUP BY o.{column}"
        )
        for execution, count in _rows(session, question):
            yield Finding("orphan", f"execution {execution}", f"{count} {called} of it are there, and it is not")
    question = "SELECT d.event_id, count(*) FROM deliveries d LEFT JOIN events e ON e.id = d.event_id WHERE e.id IS NULL GROUP BY d.event_id"
    for event, count in _rows(session, question):
        yield Finding("orphan", f"event {event}", f"{count} deliveries of it are there, and it is not")


def _overdue(session: Session, now: int) -> Iterator[Finding]:
    late = now - PATIENCE
    for event, at in _rows(
        session, "SELECT id, received_at FROM events WHERE state = 0 AND received_at < :late", late=late
    ):
        yield Finding("overdue", f"event {event}", f"no executor has met it since {iso(at)}")
    waits = (
        "SELECT execution_id, path, deadline FROM waits WHERE state = 'WAITING' AND deadline < :late AND EXISTS "
        "(SELECT 1 FROM executions e WHERE e.id = waits.execution_id AND e.status = 'WAITING')"
    )
    for execution, path, at in _rows(session, waits, late=late):
        yield Finding("overdue", f"execution {execution}", f"its wait at {path} was to end at {iso(at)}")
    due = "SELECT id, due_at FROM executions WHERE due_at < :late AND reason IS NULL"
    for execution, at in _rows(session, due, late=late):
        yield Finding("overdue", f"execution {execution}", f"it is due since {iso(at)}, and nobody has begun it")
    held = (
        "SELECT id, owner FROM executions WHERE status = 'RUNNING' AND due_at IS NULL "
        "AND owner NOT IN (SELECT id FROM nodes WHERE lease_until > :late)"
    )
    for execution, owner in _rows(session, held, late=late):
        yield Finding("overdue", f"execution {execution}", f"it is held by the node {owner}, which is gone")


def _rows(session: Session, question: str, **bound: Any) -> list[Any]:
    return list(session.execute(text(f"{question} LIMIT {_MOST}"), bound))
