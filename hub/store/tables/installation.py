"""The processes that serve the hub, and what the store knows of itself."""

from __future__ import annotations

from sqlmodel import Field, SQLModel

from hub.store.tables.columns import big

SCHEMA_VERSION = 5


class NodeRow(SQLModel, table=True):
    __tablename__ = "nodes"

    id: str = Field(primary_key=True)
    host: str = ""
    pid: int = 0
    started_at: int = Field(sa_column=big())
    lease_until: int = Field(sa_column=big())
    #: Of the executors and workflows that it has loaded.
    revision: str = Field(default="", sa_column_kwargs={"server_default": ""})
    #: Where it listens.
    address: str = Field(default="", sa_column_kwargs={"server_default": ""})


class CommitRow(SQLModel, table=True):
    """Only where a connection can be lost."""

    __tablename__ = "commits"

    #: A name for the time of one connection's life.
    writer: str = Field(primary_key=True)
    number: int = Field(sa_column=big(primary_key=True))
    at: int = Field(sa_column=big())


class MetaRow(SQLModel, table=True):
    __tablename__ = "meta"

    key: str = Field(primary_key=True)
    value: str
