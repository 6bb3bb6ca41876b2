"""Events, and what became of each at each executor."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, Text, text
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import big

#: The outcome column of an event that dispatch has not seen yet.
NEW, DISPATCHED = 0, 1


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
    time: int = Field(sa_column=big())
    received_at: int = Field(sa_column=big())
    payload: str = Field(sa_type=Text)
    #: Raw body of a webhook.
    body: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    #: JSON list of executor names; "[]": dispatch matches.
    executors: str = "[]"
    #: NEW or DISPATCHED.
    state: int = NEW
    #: Beginning of the body's hash, where that is unique with the source too. NULL: bodies may repeat.
    body_key: str | None = None
    #: Until when the keys are taken; a later event may use them again. NULL: for ever.
    key_until: int | None = Field(default=None, sa_column=big(nullable=True))

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
        Index("events_new_source", "source", "id", sqlite_where=text("state = 0"), postgresql_where=text("state = 0")),
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
    created_at: int = Field(sa_column=big())
    #: JSON {condition, variables} or {error}.
    evaluation: str = Field(default="{}", sa_type=Text)

    __table_args__ = (
        Index("deliveries_executor", "executor", "id"),
        # Lists by outcome, of one executor and of all.
        Index("deliveries_executor_outcome", "executor", "outcome", "id"),
        Index("deliveries_outcome", "outcome", "id"),
    )
