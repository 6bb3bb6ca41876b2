"""A wait, from its row."""

from __future__ import annotations

from hub.model.values import parse_or_none
from hub.model.wait import WaitKind, WaitRecord, WaitState
from hub.store.tables import WaitRow


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
