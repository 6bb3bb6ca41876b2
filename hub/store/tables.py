"""The tables, in the order of the glossary.

- `events`: facts, stored before anything else happens.
- `deliveries`: what became of an event at each executor.
- `executions`: runs of workflows, with their lease.
- `checkpoints`: stored results of finished calls, and marks of those under way.
- `contents`: results too large for those two, by their hash.
- `logs`: lines that jobs wrote.
- `waits`, `answers`, `signals`: what executions are parked on, and what came before anybody waited for it.
- `schedules`, `slots`: when each schedule is next due, and every due moment that there was.
- `nodes`: processes and how long their leases hold.
- `webhook_tokens`: the secrets in the URLs of `webhook: {}`.
- `refused`: webhook deliveries that were turned away, for a while.
- `executor_states`: which executors a person has paused, and which definition of each is in effect.
- `machine_secrets`, `machine_user_states`: secrets of machine users, as hashes; from when on their tokens count.
- `permission_uses`: which permission of a machine user was last used when.
- `people`, `invitations`, `sessions`: who may sign in to the console, who may become one of them, who has signed in.
- `audit`, `audit_head`: who changed what, and where the chain of records ends.
- `commits`: slips by which a writer that lost an answer learns whether its commit happened.
- `meta`: the schema's version and the installation's id.

Times are milliseconds since 1970 UTC. JSON is text, written and read by `hub.model.values`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Text, text
from sqlmodel import Field, SQLModel

SCHEMA_VERSION = 2

#: Begun, not ended, and held by nobody.
PARKED = "status IN ('WAITING', 'PENDING', 'PENDING_RETRY', 'PENDING_RESUME') AND revision IS NOT NULL"

#: The outcome column of an event that dispatch has not seen yet.
NEW, DISPATCHED = 0, 1


def _big(*, primary_key: bool = False, nullable: bool = False, default: int | None = None) -> Column[int]:
    server = None if default is None else text(str(default))
    return Column(BigInteger, primary_key=primary_key, nullable=nullable, server_default=server)


class EventRow(SQLModel, table=True):
    __tablename__ = "events"

    id: str = Field(primary_key=True)
    #: "webhook:NAME", "schedule:NAME", "record:NAMESPACE", "manual:NAME".
    source: str
    #: The sender's id of it; unique with the source. NULL: never a duplicate.
    key: str | None = None
    type: str
    namespace: str = ""
    model: str = ""
    time: int = Field(sa_column=_big())
    received_at: int = Field(sa_column=_big())
    payload: str = Field(sa_type=Text)
    #: Raw body of a webhook.
    body: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    #: JSON list of executor names; "[]": dispatch matches.
    executors: str = "[]"
    #: NEW or DISPATCHED.
    state: int = NEW
    #: Hash of the body, where that is unique with the source too. NULL: bodies may repeat.
    body_key: str | None = None
    #: Until when the keys are taken; a later event may use them again. NULL: for ever.
    key_until: int | None = Field(default=None, sa_column=_big(nullable=True))

    __table_args__ = (
        Index("events_source_key", "source", "key", unique=True),
        Index(
            "events_source_body",
            "source",
            "body_key",
            unique=True,
            sqlite_where=text("body_key IS NOT NULL"),
            postgresql_where=text("body_key IS NOT NULL"),
        ),
        Index("events_new", "id", sqlite_where=text("state = 0"), postgresql_where=text("state = 0")),
    )


class DeliveryRow(SQLModel, table=True):
    __tablename__ = "deliveries"

    #: "EVENT.EXECUTOR"; a replay adds "#2", "#3"…
    id: str = Field(primary_key=True)
    event_id: str = Field(index=True)
    executor: str
    outcome: str
    reason: str = Field(sa_type=Text)
    execution_id: str | None = None
    created_at: int = Field(sa_column=_big())
    #: JSON {condition, variables} or {error}.
    evaluation: str = Field(default="{}", sa_type=Text)

    __table_args__ = (
        Index("deliveries_executor", "executor", "id"),
        # Lists by outcome, of one executor and of all.
        Index("deliveries_executor_outcome", "executor", "outcome", "id"),
        Index("deliveries_outcome", "outcome", "id"),
    )


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
    priority: int = 0
    concurrency_key: str = ""
    #: The node that holds it, while RUNNING.
    owner: str | None = None
    #: Goes up with every claim and every cancel; writes that carry a lower one are refused.
    epoch: int = 0
    #: The claim with which the present attempt began: failed calls from before it run again.
    base_epoch: int = 0
    #: When it may be claimed; NULL: not by time.
    due_at: int | None = Field(default=None, sa_column=_big(nullable=True))
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
    debounce_until: int | None = Field(default=None, sa_column=_big(nullable=True))
    #: Executions of one workflow and key share its rate limit; NULL: it has none.
    rate_key: str | None = None
    #: When the rate limit lets it begin; once it has begun, when that was.
    rate_at: int | None = Field(default=None, sa_column=_big(nullable=True))
    #: The execution behind which it is queued: PENDING, and due when that one ends. NULL: none.
    after_id: str | None = None
    created_at: int = Field(sa_column=_big())
    started_at: int | None = Field(default=None, sa_column=_big(nullable=True))
    finished_at: int | None = Field(default=None, sa_column=_big(nullable=True))

    __table_args__ = (
        Index(
            "executions_due",
            "workflow",
            text("priority DESC"),
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
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
            "id",
            sqlite_where=text("executor IS NOT NULL"),
            postgresql_where=text("executor IS NOT NULL"),
        ),
        # Lists by status. Those that run are few; those that succeeded are found without an index, because they are many.
        *[
            Index(
                f"executions_{name}_status" if name else "executions_status",
                *([name] if name else []),
                "status",
                "id",
                sqlite_where=text("status NOT IN ('RUNNING', 'SUCCESS')"),
                postgresql_where=text("status NOT IN ('RUNNING', 'SUCCESS')"),
            )
            for name in ("", "workflow", "executor")
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
    call_number: int = Field(default=0, sa_column=_big(default=0))
    #: The claim under which it was last written.
    epoch: int
    started_at: int = Field(sa_column=_big())
    finished_at: int | None = Field(default=None, sa_column=_big(nullable=True))

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
    used_at: int = Field(sa_column=_big())


class LogRow(SQLModel, table=True):
    __tablename__ = "logs"

    id: int | None = Field(default=None, primary_key=True)
    execution_id: str = Field(index=True)
    path: str
    at: int = Field(sa_column=_big())
    level: str
    message: str = Field(sa_type=Text)


class ScheduleRow(SQLModel, table=True):
    __tablename__ = "schedules"

    executor: str = Field(primary_key=True)
    #: Hash of cron, zone and policy; another one means that the file changed.
    definition: str
    #: NULL: it never comes again.
    next_fire_at: int | None = Field(default=None, sa_column=_big(nullable=True))

    __table_args__ = (Index("schedules_next", "next_fire_at"),)


class SlotRow(SQLModel, table=True):
    __tablename__ = "slots"

    executor: str = Field(primary_key=True)
    #: The nominal instant.
    at: int = Field(sa_column=_big(primary_key=True))
    #: Its event, when it fired.
    event_id: str | None = None
    #: Why it did not fire: MISSED, PAUSED, SKIPPED; NULL when it fired.
    outcome: str | None = None
    reason: str = Field(default="", sa_type=Text)
    recorded_at: int = Field(sa_column=_big())


class NodeRow(SQLModel, table=True):
    __tablename__ = "nodes"

    id: str = Field(primary_key=True)
    host: str = ""
    pid: int = 0
    started_at: int = Field(sa_column=_big())
    lease_until: int = Field(sa_column=_big())
    #: Of the executors and workflows that it has loaded.
    revision: str = Field(default="", sa_column_kwargs={"server_default": ""})
    #: Where it listens.
    address: str = Field(default="", sa_column_kwargs={"server_default": ""})


class WebhookTokenRow(SQLModel, table=True):
    __tablename__ = "webhook_tokens"

    executor: str = Field(primary_key=True)
    token: str


class RefusedRow(SQLModel, table=True):
    __tablename__ = "refused"

    #: Counts up in order of arrival.
    id: int | None = Field(default=None, primary_key=True)
    executor: str
    received_at: int = Field(sa_column=_big())
    method: str
    #: Without credentials, as the headers.
    url: str = Field(sa_type=Text)
    headers: str = Field(sa_type=Text)
    #: At most 64 KiB of it.
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    #: Bytes that came.
    size: int
    step: str
    reason: str = Field(sa_type=Text)
    #: The head as it came, encrypted with a key that is not in the database.
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))

    __table_args__ = (Index("refused_executor", "executor", "id"),)


class ExecutorStateRow(SQLModel, table=True):
    __tablename__ = "executor_states"

    executor: str = Field(primary_key=True)
    paused: int = 0
    #: Hash of the executor as it was last put into effect; NULL: it is not in effect.
    definition: str | None = None


class CommitRow(SQLModel, table=True):
    """Only where a connection can be lost."""

    __tablename__ = "commits"

    #: A name for the time of one connection's life.
    writer: str = Field(primary_key=True)
    number: int = Field(sa_column=_big(primary_key=True))
    at: int = Field(sa_column=_big())


class MetaRow(SQLModel, table=True):
    __tablename__ = "meta"

    key: str = Field(primary_key=True)
    value: str


class WaitRow(SQLModel, table=True):
    __tablename__ = "waits"

    execution_id: str = Field(primary_key=True)
    path: str = Field(primary_key=True)
    name: str
    #: A WaitKind.
    kind: str
    key: str
    #: JSON of what the call was made with: a wait point's payload.
    args: str = Field(sa_type=Text)
    #: A WaitState.
    state: str
    deadline: int | None = Field(default=None, sa_column=_big(nullable=True))
    #: JSON that it gives at its deadline; NULL: it fails.
    default_result: str | None = Field(default=None, sa_type=Text)
    created_at: int = Field(sa_column=_big())
    resolved_at: int | None = Field(default=None, sa_column=_big(nullable=True))
    resolved_by: str | None = None
    permission: str | None = None
    #: Path of the call that waits for the first of several, when this is one of them.
    choice: str | None = None

    __table_args__ = (
        Index(
            "waits_open",
            "kind",
            "key",
            "created_at",
            sqlite_where=text("state = 'WAITING'"),
            postgresql_where=text("state = 'WAITING'"),
        ),
        Index(
            "waits_inbox",
            "kind",
            "created_at",
            sqlite_where=text("state = 'WAITING'"),
            postgresql_where=text("state = 'WAITING'"),
        ),
        Index("waits_asked", "kind", "created_at"),
        {"sqlite_with_rowid": False},
    )


class AnswerRow(SQLModel, table=True):
    """An answer that came before its question."""

    __tablename__ = "answers"

    execution_id: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    result: str = Field(sa_type=Text)
    by: str = ""
    at: int = Field(sa_column=_big())


class SignalRow(SQLModel, table=True):
    __tablename__ = "signals"

    id: str = Field(primary_key=True)
    name: str
    payload: str = Field(sa_type=Text)
    to_all: int = 0
    #: Only this execution may have it; NULL: any.
    execution_id: str | None = None
    #: Whose it became; NULL: nobody's yet, or everybody's.
    taken_by: str | None = None
    sent_at: int = Field(sa_column=_big())

    __table_args__ = (
        Index(
            "signals_open",
            "name",
            "sent_at",
            sqlite_where=text("taken_by IS NULL"),
            postgresql_where=text("taken_by IS NULL"),
        ),
    )


class AuditRow(SQLModel, table=True):
    __tablename__ = "audit"

    #: Counts up without gaps.
    number: int = Field(sa_column=_big(primary_key=True))
    at: int = Field(sa_column=_big())
    who: str
    action: str
    object: str = Field(sa_type=Text)
    before: str | None = Field(default=None, sa_type=Text)
    after: str | None = Field(default=None, sa_type=Text)
    result: str = Field(sa_type=Text)
    hash: str

    __table_args__ = (Index("audit_who", "who", "number"), Index("audit_object", "object", "number"))


class AuditHeadRow(SQLModel, table=True):
    """The one row that says where the chain ends."""

    __tablename__ = "audit_head"

    id: int = Field(primary_key=True)
    number: int = Field(sa_column=_big())
    hash: str


class MachineSecretRow(SQLModel, table=True):
    __tablename__ = "machine_secrets"

    id: str = Field(primary_key=True)
    auth_namespace: str
    name: str
    #: SHA-256 of it.
    digest: str
    created_at: int = Field(sa_column=_big())
    #: When it was last exchanged for a token.
    last_used_at: int | None = Field(default=None, sa_column=_big(nullable=True))
    #: From then on neither it nor the tokens that were got with it are any good.
    revoked_at: int | None = Field(default=None, sa_column=_big(nullable=True))

    __table_args__ = (Index("machine_secrets_user", "auth_namespace", "name"),)


class MachineUserStateRow(SQLModel, table=True):
    __tablename__ = "machine_user_states"

    auth_namespace: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    #: Tokens that were made before are no good.
    tokens_after: int = Field(sa_column=_big(default=0))


class PermissionUseRow(SQLModel, table=True):
    __tablename__ = "permission_uses"

    auth_namespace: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    permission: str = Field(primary_key=True)
    last_used_at: int = Field(sa_column=_big())


class PersonRow(SQLModel, table=True):
    __tablename__ = "people"

    name: str = Field(primary_key=True)
    #: scrypt; NULL: invited, and not here yet.
    password: str | None = None
    #: One of `hub.model.identity.ROLES`.
    role: str
    created_at: int = Field(sa_column=_big())
    last_sign_in_at: int | None = Field(default=None, sa_column=_big(nullable=True))


class InvitationRow(SQLModel, table=True):
    """A one-time address with which somebody sets their password."""

    __tablename__ = "invitations"

    #: SHA-256 of the secret in the address.
    digest: str = Field(primary_key=True)
    #: For whom; NULL: for the first person, who chooses a name. It is good only while there is nobody.
    name: str | None = Field(default=None, index=True)
    created_at: int = Field(sa_column=_big())
    expires_at: int = Field(sa_column=_big())


class SessionRow(SQLModel, table=True):
    __tablename__ = "sessions"

    #: SHA-256 of the secret in the cookie.
    digest: str = Field(primary_key=True)
    person: str = Field(index=True)
    created_at: int = Field(sa_column=_big())
    last_seen_at: int = Field(sa_column=_big())
    #: The latest end, however busy it is.
    expires_at: int = Field(sa_column=_big())

    __table_args__ = (Index("sessions_end", "expires_at"),)
