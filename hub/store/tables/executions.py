"""Executions, what their calls gave, and what their jobs wrote."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, Text, text
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import big

#: Begun, not ended, and held by nobody.
PARKED = "status IN ('WAITING', 'PENDING', 'PENDING_RETRY', 'PENDING_RESUME') AND revision IS NOT NULL"

#: Due, and behind a concurrency key that was full.
SUNK = "due_at IS NOT NULL AND priority < -500000"
#: Has a time, had begun before, and has a concurrency key that may have room.
AGAIN = "due_at IS NOT NULL AND epoch > 0 AND concurrency_key <> '' AND priority > -500000"


class ExecutionRow(SQLModel, table=True):
    __tablename__ = "executions"

    id: str = Field(primary_key=True)
    workflow: str
    status: str
    args: str = Field(sa_type=Text)
    #: JSON of the invoker's public shape; NULL: anonymous.
    invoker: str | None = Field(default=None, sa_type=Text)
    result: str | None = Field(default=None, sa_type=Text)
    error: str | None = Field(default=None, sa_type=Text)
    idempotency_key: str | None = Field(default=None, unique=True)
    executor: str | None = None
    event_id: str | None = Field(default=None, index=True)
    requested_by: str = ""
    #: The execution that started it and goes on when it ends; a cancel of that one reaches it.
    parent_id: str | None = None
    #: Tries of the whole execution; counted when it is claimed, before it begins.
    attempts: int = 0
    #: Automatic retries since it was started or resumed.
    retries: int = 0
    #: Claims in a row that ended with the worker's death and nothing stored.
    crashes: int = 0
    #: Lowered by a million or two while its concurrency key has no room.
    priority: int = 0
    concurrency_key: str = ""
    #: The node that holds it, while RUNNING; when CANCELED, the one that has not yet said that it has stopped.
    owner: str | None = None
    #: Goes up with every claim and every cancel; writes that carry a lower one are refused.
    epoch: int = 0
    #: The claim with which the present attempt began: failed calls from before it run again.
    base_epoch: int = 0
    #: When it may be claimed; NULL: not by time.
    due_at: int | None = Field(default=None, sa_column=big(nullable=True))
    #: Why it waits, in a sentence.
    reason: str | None = Field(default=None, sa_type=Text)
    #: Content hash of the definition that it began with.
    revision: str | None = None
    #: The execution whose first calls it was given, and the call from which on it does its own; NULL: it began at its top.
    forked_from: str | None = None
    forked_at: str | None = None
    #: While it is PENDING, a later start with the same key takes its place; NULL: none does.
    debounce_key: str | None = None
    #: The latest moment to which later starts may put it off; NULL: no limit.
    debounce_until: int | None = Field(default=None, sa_column=big(nullable=True))
    #: Executions of one workflow and key share its rate limit; NULL: it has none.
    rate_key: str | None = None
    #: When the rate limit lets it begin; once it has begun, when that was.
    rate_at: int | None = Field(default=None, sa_column=big(nullable=True))
    #: The execution behind which it is queued: PENDING, and due when that one ends. NULL: none.
    after_id: str | None = None
    created_at: int = Field(sa_column=big())
    started_at: int | None = Field(default=None, sa_column=big(nullable=True))
    #: When it was first claimed after it was last resumed: its workflow's timeout counts from then. NULL: it never was.
    resumed_at: int | None = Field(default=None, sa_column=big(nullable=True))
    finished_at: int | None = Field(default=None, sa_column=big(nullable=True))

    __table_args__ = (
        Index(
            "executions_due",
            "workflow",
            text("priority DESC"),
            "due_at",
            # Many may be due at the same moment.
            "id",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index(
            "executions_sunk",
            "workflow",
            "concurrency_key",
            text("priority DESC"),
            "due_at",
            "id",
            sqlite_where=text(SUNK),
            postgresql_where=text(SUNK),
        ),
        Index(
            "executions_again",
            "workflow",
            "concurrency_key",
            "due_at",
            sqlite_where=text(AGAIN),
            postgresql_where=text(AGAIN),
        ),
        # The due ones of a workflow, and when the next one comes due, however many wait for later.
        Index(
            "executions_next",
            "workflow",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        # The status stands in it, though all have the same: else SQLite thinks any other index of workflows as good.
        Index(
            "executions_held",
            "status",
            "workflow",
            "concurrency_key",
            sqlite_where=text("status = 'RUNNING'"),
            postgresql_where=text("status = 'RUNNING'"),
        ),
        Index("executions_workflow", "workflow", "id"),
        Index(
            "executions_parked", "workflow", "revision", "id", sqlite_where=text(PARKED), postgresql_where=text(PARKED)
        ),
        Index(
            "executions_contents",
            "result",
            sqlite_where=text("substr(result, 1, 1) = '@'"),
            postgresql_where=text("substr(result, 1, 1) = '@'"),
        ),
        Index(
            "executions_executor",
            "executor",
            "workflow",
            "id",
            sqlite_where=text("executor IS NOT NULL"),
            postgresql_where=text("executor IS NOT NULL"),
        ),
        # Lists by status. Those that run are few; those that succeeded are found without an index, because they are many.
        *[
            Index(
                f"executions_{name}_status" if name else "executions_status",
                *columns,
                "status",
                "id",
                sqlite_where=text("status NOT IN ('RUNNING', 'SUCCESS')"),
                postgresql_where=text("status NOT IN ('RUNNING', 'SUCCESS')"),
            )
            for name, columns in (("", []), ("workflow", ["workflow"]), ("executor", ["executor", "workflow"]))
        ],
        Index(
            "executions_parent",
            "parent_id",
            sqlite_where=text("parent_id IS NOT NULL"),
            postgresql_where=text("parent_id IS NOT NULL"),
        ),
        Index(
            "executions_failed",
            "finished_at",
            sqlite_where=text("status = 'FAILED'"),
            postgresql_where=text("status = 'FAILED'"),
        ),
        Index(
            "executions_debounced",
            "workflow",
            "debounce_key",
            sqlite_where=text("debounce_key IS NOT NULL AND status = 'PENDING'"),
            postgresql_where=text("debounce_key IS NOT NULL AND status = 'PENDING'"),
        ),
        Index(
            "executions_rated",
            "workflow",
            "rate_key",
            "rate_at",
            sqlite_where=text("rate_key IS NOT NULL"),
            postgresql_where=text("rate_key IS NOT NULL"),
        ),
        Index(
            "executions_queued",
            "after_id",
            sqlite_where=text("after_id IS NOT NULL"),
            postgresql_where=text("after_id IS NOT NULL"),
        ),
        Index(
            "executions_open",
            "executor",
            sqlite_where=text("executor IS NOT NULL AND finished_at IS NULL"),
            postgresql_where=text("executor IS NOT NULL AND finished_at IS NULL"),
        ),
    )


class FullKeyRow(SQLModel, table=True):
    """A concurrency key that may have had no room when it was last looked at."""

    __tablename__ = "full_keys"

    workflow: str = Field(primary_key=True)
    concurrency_key: str = Field(primary_key=True)


class CheckpointRow(SQLModel, table=True):
    __tablename__ = "checkpoints"

    execution_id: str = Field(primary_key=True)
    path: str = Field(primary_key=True)
    name: str
    status: str
    args: str = Field(sa_type=Text)
    args_hash: str
    result: str | None = Field(default=None, sa_type=Text)
    error: str | None = Field(default=None, sa_type=Text)
    attempts: int = 1
    handled: int = 0
    #: Counts up in the order in which the execution made its calls; one that runs again counts anew.
    call_number: int = Field(default=0, sa_column=big(default=0))
    #: The claim under which it was last written.
    epoch: int
    started_at: int = Field(sa_column=big())
    finished_at: int | None = Field(default=None, sa_column=big(nullable=True))

    __table_args__ = (
        Index(
            "checkpoints_contents",
            "result",
            sqlite_where=text("substr(result, 1, 1) = '@'"),
            postgresql_where=text("substr(result, 1, 1) = '@'"),
        ),
        {"sqlite_with_rowid": False},
    )


class ContentRow(SQLModel, table=True):
    __tablename__ = "contents"

    #: `digest` of the text. Where the text would stand there is "@" and this.
    hash: str = Field(primary_key=True)
    #: Compressed by zlib.
    packed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    #: When it was last stored.
    used_at: int = Field(sa_column=big())


class LogRow(SQLModel, table=True):
    __tablename__ = "logs"

    id: int | None = Field(default=None, primary_key=True)
    execution_id: str = Field(index=True)
    path: str
    at: int = Field(sa_column=big())
    level: str
    message: str = Field(sa_type=Text)
