"""Executions that are queued behind another one, and begin when that has ended."""

from __future__ import annotations

from collections.abc import Sequence

from hub.store.dialects.base import Tx

_MOST_NAMED = 500

_AHEAD = (
    "SELECT id FROM executions WHERE executor = ? AND executor IS NOT NULL AND finished_at IS NULL AND id <> ? "
    "ORDER BY id DESC LIMIT 1"
)


def queue_behind(tx: Tx, execution_id: str, ahead: str, policy: str) -> None:
    """Let an execution wait until the other one has ended."""
    tx.run(
        "UPDATE executions SET after_id = ?, due_at = NULL, reason = ? WHERE id = ?",
        (ahead, f"queued behind execution {ahead} (overlap: {policy})", execution_id),
    )


def release_queued(tx: Tx, ended: Sequence[str], now: int) -> None:
    """These have ended: what was queued behind them is due, unless another one of its executor goes on."""
    for start in range(0, len(ended), _MOST_NAMED):
        part = ended[start : start + _MOST_NAMED]
        marks = ", ".join("?" * len(part))
        for queued, executor in tx.rows(
            f"SELECT id, executor FROM executions WHERE after_id IN ({marks}) AND status = 'PENDING'", part
        ):
            if (ahead := _ahead_of(tx, queued, executor)) is not None:
                queue_behind(tx, queued, ahead, "queue_one")
            else:
                tx.run(
                    "UPDATE executions SET after_id = NULL, due_at = ?, reason = NULL WHERE id = ? AND status = 'PENDING'",
                    (now, queued),
                )


def _ahead_of(tx: Tx, queued: str, executor: str | None) -> str | None:
    """Another execution of the executor that goes on, and will until this transaction ends."""
    found = _AHEAD, (executor, queued)
    for (identifier,) in tx.rows(*found):
        tx.hold([identifier])
    rows = tx.rows(*found)
    return rows[0][0] if rows else None
