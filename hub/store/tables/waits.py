"""What executions are parked on, and what came before anybody waited for it."""

from __future__ import annotations

from sqlalchemy import Index, Text, text
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import big


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
    deadline: int | None = Field(default=None, sa_column=big(nullable=True))
    #: JSON that it gives at its deadline; NULL: it fails.
    default_result: str | None = Field(default=None, sa_type=Text)
    created_at: int = Field(sa_column=big())
    resolved_at: int | None = Field(default=None, sa_column=big(nullable=True))
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
    at: int = Field(sa_column=big())


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
    sent_at: int = Field(sa_column=big())

    __table_args__ = (
        Index(
            "signals_open",
            "name",
            "sent_at",
            sqlite_where=text("taken_by IS NULL"),
            postgresql_where=text("taken_by IS NULL"),
        ),
    )
