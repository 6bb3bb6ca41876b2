"""The fence: what a claim writes counts only as long as no later one has been made."""

from __future__ import annotations

from hub.store.dialects.base import Tx


def claim_stands(tx: Tx, execution_id: str, epoch: int) -> bool:
    """Whether an execution is still held under this epoch. Hold it first (`Tx.hold`) to have that stay so."""
    return bool(
        tx.rows("SELECT 1 FROM executions WHERE id = ? AND epoch = ? AND status = 'RUNNING'", (execution_id, epoch))
    )
