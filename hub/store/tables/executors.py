"""Schedules with their slots, webhooks, and what people have decided about executors."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, Text
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import big


class ScheduleRow(SQLModel, table=True):
    __tablename__ = "schedules"

    executor: str = Field(primary_key=True)
    #: Hash of cron, zone and policy; another one means that the file changed.
    definition: str
    #: NULL: it never comes again.
    next_fire_at: int | None = Field(default=None, sa_column=big(nullable=True))

    __table_args__ = (Index("schedules_next", "next_fire_at"),)


class SlotRow(SQLModel, table=True):
    __tablename__ = "slots"

    executor: str = Field(primary_key=True)
    #: The nominal instant.
    at: int = Field(sa_column=big(primary_key=True))
    #: Its event, when it fired.
    event_id: str | None = None
    #: Why it did not fire: MISSED, PAUSED, SKIPPED; NULL when it fired.
    outcome: str | None = None
    reason: str = Field(default="", sa_type=Text)
    recorded_at: int = Field(sa_column=big())


class WebhookTokenRow(SQLModel, table=True):
    __tablename__ = "webhook_tokens"

    executor: str = Field(primary_key=True)
    token: str


class RefusedRow(SQLModel, table=True):
    __tablename__ = "refused"

    #: Counts up in order of arrival.
    id: int | None = Field(default=None, primary_key=True)
    executor: str
    received_at: int = Field(sa_column=big())
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
