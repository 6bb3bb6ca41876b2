"""Verbs about the definitions that executions began with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.store.dialects.base import Tx
from hub.store.verbs import Verb


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why the code as it is now cannot go on with an execution."""

    execution_id: str
    #: The revision that it began with.
    revision: str
    reason: str


_SAID = "; its workflow has changed and this needs a person: "


def _doubt(tx: Tx, items: Sequence[Doubt]) -> list[bool]:
    """Said once behind the reason for which it waits, and only while it is parked."""
    answers = []
    for item in items:
        rows = tx.rows(
            "SELECT reason FROM executions WHERE id = ? AND revision = ? "
            "AND status IN ('WAITING', 'PENDING', 'PENDING_RETRY', 'PENDING_RESUME')",
            (item.execution_id, item.revision),
        )
        reason = None if not rows else f"{(rows[0][0] or 'waiting').partition(_SAID)[0]}{_SAID}{item.reason}"
        if reason is not None:
            tx.run("UPDATE executions SET reason = ? WHERE id = ?", (reason, item.execution_id))
        answers.append(reason is not None)
    return answers


DOUBT: Verb[Doubt, bool] = Verb("doubt", _doubt, order=3)
