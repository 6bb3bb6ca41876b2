"""Version 3: wrong credentials are counted, secrets of machine users found by their digest, new events by their source; and
what was cancelled asks nothing any more.
"""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint

from hub.store.migrations.types import WORD, Added

_INDEXES = (
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
    for index in _INDEXES:
        index.create(op)
    # A cancel did not take back what the execution had asked.
    op.execute(
        "UPDATE waits SET state = 'DROPPED', resolved_at = (SELECT e.finished_at FROM executions e WHERE e.id = execution_id) "
        "WHERE state = 'WAITING' AND execution_id IN (SELECT id FROM executions WHERE status = 'CANCELED')"
    )
