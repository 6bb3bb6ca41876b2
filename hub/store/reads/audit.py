"""Questions about the audit log."""

from __future__ import annotations

from sqlmodel import Session, col, select

from hub.model.audit import AuditCheck, AuditRecord
from hub.store.audit import check_chain
from hub.store.tables import AuditHeadRow, AuditRow

_AT_ONCE = 5_000


def audit(
    session: Session, *, who: str | None, object: str | None, before: int | None, limit: int
) -> list[AuditRecord]:
    """Newest first, behind the number `before`."""
    statement = select(AuditRow).order_by(col(AuditRow.number).desc()).limit(limit)
    if who is not None:
        statement = statement.where(AuditRow.who == who)
    if object is not None:
        statement = statement.where(AuditRow.object == object)
    if before is not None:
        statement = statement.where(AuditRow.number < before)
    return [_record(row) for row in session.exec(statement)]


def check_audit(session: Session) -> AuditCheck:
    """Follow the chain from its beginning to its end."""
    head = session.get(AuditHeadRow, 1)
    found = AuditCheck(0, "")
    while found.ok:
        statement = select(AuditRow).where(AuditRow.number > found.count).order_by(col(AuditRow.number)).limit(_AT_ONCE)
        records = [_record(row) for row in session.exec(statement)]
        if not records:
            break
        found = check_chain(records, found)
        session.expunge_all()
    if found.ok and (found.count, found.hash) != ((head.number, head.hash) if head is not None else (0, "")):
        return AuditCheck(
            found.count, found.hash, found.count + 1, "the log ends too early: its last records are missing."
        )
    return found


def _record(row: AuditRow) -> AuditRecord:
    return AuditRecord(
        row.at, row.who, row.action, row.object, row.result, row.before, row.after, number=row.number, hash=row.hash
    )
