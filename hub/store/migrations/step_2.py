"""Version 2: people and secrets of machine users, the audit log, large results kept apart, forks, debounce, rate limits and queues, and commits that can be looked up."""

from __future__ import annotations

from typing import Any

from alembic.operations import Operations
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, PrimaryKeyConstraint, text

from hub.store.migrations.types import TEXT, WORD, Added

#: Statuses of few executions.
_UNUSUAL = "status NOT IN ('RUNNING', 'SUCCESS')"

#: Begun, not ended, and held by nobody.
_PARKED = "status IN ('WAITING', 'PENDING', 'PENDING_RETRY', 'PENDING_RESUME') AND revision IS NOT NULL"

_INDEXES = (
    Added("audit_object", "audit", ["object", "number"]),
    Added("audit_who", "audit", ["who", "number"]),
    Added("checkpoints_contents", "checkpoints", ["result"], where="substr(result, 1, 1) = '@'"),
    Added("deliveries_executor_outcome", "deliveries", ["executor", "outcome", "id"]),
    Added("deliveries_outcome", "deliveries", ["outcome", "id"]),
    Added("executions_contents", "executions", ["result"], where="substr(result, 1, 1) = '@'"),
    Added(
        "executions_debounced",
        "executions",
        ["workflow", "debounce_key"],
        where="debounce_key IS NOT NULL AND status = 'PENDING'",
    ),
    Added("executions_executor", "executions", ["executor", "id"], where="executor IS NOT NULL"),
    Added("executions_executor_status", "executions", ["executor", "status", "id"], where=_UNUSUAL),
    Added("executions_failed", "executions", ["finished_at"], where="status = 'FAILED'"),
    Added("executions_held", "executions", ["status", "workflow", "concurrency_key"], where="status = 'RUNNING'"),
    Added("executions_next", "executions", ["workflow", "due_at"], where="due_at IS NOT NULL"),
    Added("executions_open", "executions", ["executor"], where="executor IS NOT NULL AND finished_at IS NULL"),
    Added("executions_parked", "executions", ["workflow", "revision", "id"], where=_PARKED),
    Added("executions_queued", "executions", ["after_id"], where="after_id IS NOT NULL"),
    Added("executions_rated", "executions", ["workflow", "rate_key", "rate_at"], where="rate_key IS NOT NULL"),
    Added("executions_status", "executions", ["status", "id"], where=_UNUSUAL),
    Added("executions_workflow_status", "executions", ["workflow", "status", "id"], where=_UNUSUAL),
    Added("ix_invitations_name", "invitations", ["name"]),
    Added("ix_sessions_person", "sessions", ["person"]),
    Added("machine_secrets_user", "machine_secrets", ["auth_namespace", "name"]),
    Added("sessions_end", "sessions", ["expires_at"]),
    Added("waits_asked", "waits", ["kind", "created_at"]),
    Added("waits_inbox", "waits", ["kind", "created_at"], where="state = 'WAITING'"),
)


def climb(op: Operations) -> None:
    _add_tables(op)
    _add_identity(op)
    for table, column in _columns():
        op.add_column(table, column)
    for index in _INDEXES:
        index.create(op)
    # In its place is executions_held, which is chosen.
    op.drop_index("executions_running", "executions")


def _columns() -> tuple[tuple[str, Column[Any]], ...]:
    return (
        ("checkpoints", Column("call_number", BigInteger(), server_default=text("0"), nullable=False)),
        ("executor_states", Column("definition", WORD)),
        ("executions", Column("forked_from", WORD)),
        ("executions", Column("forked_at", WORD)),
        ("executions", Column("debounce_key", WORD)),
        ("executions", Column("debounce_until", BigInteger())),
        ("executions", Column("rate_key", WORD)),
        ("executions", Column("rate_at", BigInteger())),
        ("executions", Column("after_id", WORD)),
        ("nodes", Column("revision", WORD, server_default="", nullable=False)),
        ("nodes", Column("address", WORD, server_default="", nullable=False)),
        ("waits", Column("choice", WORD)),
    )


def _add_tables(op: Operations) -> None:
    op.create_table(
        "audit",
        Column("number", BigInteger(), nullable=False),
        Column("at", BigInteger(), nullable=False),
        Column("who", WORD, nullable=False),
        Column("action", WORD, nullable=False),
        Column("object", TEXT, nullable=False),
        Column("before", TEXT),
        Column("after", TEXT),
        Column("result", TEXT, nullable=False),
        Column("hash", WORD, nullable=False),
        PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "audit_head",
        Column("id", Integer(), nullable=False),
        Column("number", BigInteger(), nullable=False),
        Column("hash", WORD, nullable=False),
        PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "commits",
        Column("writer", WORD, nullable=False),
        Column("number", BigInteger(), nullable=False),
        Column("at", BigInteger(), nullable=False),
        PrimaryKeyConstraint("writer", "number"),
    )
    op.create_table(
        "contents",
        Column("hash", WORD, nullable=False),
        Column("packed", LargeBinary(), nullable=False),
        Column("used_at", BigInteger(), nullable=False),
        PrimaryKeyConstraint("hash"),
    )


def _add_identity(op: Operations) -> None:
    op.create_table(
        "machine_secrets",
        Column("id", WORD, nullable=False),
        Column("auth_namespace", WORD, nullable=False),
        Column("name", WORD, nullable=False),
        Column("digest", WORD, nullable=False),
        Column("created_at", BigInteger(), nullable=False),
        Column("last_used_at", BigInteger()),
        Column("revoked_at", BigInteger()),
        PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "machine_user_states",
        Column("auth_namespace", WORD, nullable=False),
        Column("name", WORD, nullable=False),
        Column("tokens_after", BigInteger(), server_default=text("0"), nullable=False),
        PrimaryKeyConstraint("auth_namespace", "name"),
    )
    op.create_table(
        "permission_uses",
        Column("auth_namespace", WORD, nullable=False),
        Column("name", WORD, nullable=False),
        Column("permission", WORD, nullable=False),
        Column("last_used_at", BigInteger(), nullable=False),
        PrimaryKeyConstraint("auth_namespace", "name", "permission"),
    )
    op.create_table(
        "people",
        Column("name", WORD, nullable=False),
        Column("password", WORD),
        Column("role", WORD, nullable=False),
        Column("created_at", BigInteger(), nullable=False),
        Column("last_sign_in_at", BigInteger()),
        PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "invitations",
        Column("digest", WORD, nullable=False),
        Column("name", WORD),
        Column("created_at", BigInteger(), nullable=False),
        Column("expires_at", BigInteger(), nullable=False),
        PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "sessions",
        Column("digest", WORD, nullable=False),
        Column("person", WORD, nullable=False),
        Column("created_at", BigInteger(), nullable=False),
        Column("last_seen_at", BigInteger(), nullable=False),
        Column("expires_at", BigInteger(), nullable=False),
        PrimaryKeyConstraint("digest"),
    )
