"""Version 3: wrong credentials are counted, secrets of machine users found by their digest, new events by their source, executions in the
whole order in which they begin; keys that are full are noted; and what was cancelled asks nothing any more.
"""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint

from hub.store.migrations.types import WORD, Added

_INDEXES = (
    Added(
        "executions_again",
        "executions",
        ["workflow", "concurrency_key", "due_at"],
        where="due_at IS NOT NULL AND epoch > 0 AND concurrency_key <> '' AND priority > -500000",
    ),
    Added("executions_due", "executions", ["workflow", "priority DESC", "due_at", "id"], where="due_at IS NOT NULL"),
    Added("executions_executor", "executions", ["executor", "workflow", "id"], where="executor IS NOT NULL"),
    Added(
        "executions_executor_status",
        "executions",
        ["executor", "workflow", "status", "id"],
        where="status NOT IN ('RUNNING', 'SUCCESS')",
    ),
    Added(
        "executions_sunk",
        "executions",
        ["workflow", "concurrency_key", "priority DESC", "due_at", "id"],
        where="due_at IS NOT NULL AND priority < -500000",
    ),
    Added("events_new_source", "events", ["source", "id"], where="state = 0"),
    Added("machine_secrets_digest", "machine_secrets", ["digest"]),
    Added("tries_end", "tries", ["free_at"]),
)


def climb(op: Operations) -> None:
    op.create_table(
        "tries",
        Column("digest", WORD, nullable=False),
        Column("free_at", BigInteger(), nullable=False),
        PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "full_keys",
        Column("workflow", WORD, nullable=False),
        Column("concurrency_key", WORD, nullable=False),
        PrimaryKeyConstraint("workflow", "concurrency_key"),
    )
    # Its order had no end: of many that are due at the same moment, all were sorted.
    op.drop_index("executions_due", "executions")
    # They did not know of workflows: one that an executor has hardly started was looked for among all that it has.
    op.drop_index("executions_executor", "executions")
    op.drop_index("executions_executor_status", "executions")
    for index in _INDEXES:
        index.create(op)
    # A cancel did not take back what the execution had asked.
    op.execute(
        "UPDATE waits SET state = 'DROPPED', resolved_at = (SELECT e.finished_at FROM executions e WHERE e.id = execution_id) "
        "WHERE state = 'WAITING' AND execution_id IN (SELECT id FROM executions WHERE status = 'CANCELED')"
    )
