"""What a watched database offers, whatever its make.

Every call may raise `DatabaseUnavailable`: nothing was changed, and the same call may work later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from hub.model.counted import counted
from hub.model.errors import Conflict, HubError
from hub.model.executor import RecordEvent

#: What stands behind a name in the catalogue. Only a "table" can be watched.
Relation = Literal["table", "view", "virtual", "foreign", "partition", "system", "unreadable"]


class DatabaseUnavailable(HubError):
    """A watched database is missing, locked, read-only or damaged. Record events wait in it; none is lost."""

    retryable = True

    def __init__(self, namespace: str, sentence: str) -> None:
        self.namespace = namespace
        super().__init__(f"database {shown(namespace)}: {sentence}")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about capture that a person should know."""

    #: capture_gap: changes may have no event, or an incomplete one. missing_table: an executor names a table that cannot
    #: be watched. declared: what this database cannot capture by nature. set_aside: an outbox row that cannot be handed over.
    kind: Literal["capture_gap", "missing_table", "declared", "set_aside"]
    table: str
    sentence: str
    #: When it was found, milliseconds since 1970 UTC.
    at: int


@dataclass(frozen=True, slots=True)
class Change:
    """One trigger that is not as it should be, and what installing does about it."""

    action: Literal["create", "replace", "drop"]
    trigger: str
    table: str
    kind: RecordEvent
    reason: str
    #: The statement that makes it; empty for a drop.
    sql: str = ""


@dataclass(frozen=True, slots=True)
class Installed:
    """What installing did and found. `changes` is empty when everything was in place."""

    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class TableStatus:
    table: str
    expected: frozenset[RecordEvent]
    #: Kinds whose trigger stands exactly as it should.
    installed: frozenset[RecordEvent]
    #: Changes waiting to be handed over.
    depth: int


@dataclass(frozen=True, slots=True)
class Status:
    tables: tuple[TableStatus, ...]
    depth: int
    #: Rows that could not be handed over and are kept for a person.
    set_aside: int
    #: When the oldest waiting change was made; None: nothing waits.
    oldest_at: int | None
    #: What holds now, then recorded gaps, newest first.
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One change as it waits in the watched database."""

    #: Order of commit among the rows that wait now; used again once the row is gone.
    id: int
    #: Unique for ever: see `SQLiteWatched`. With the namespace it is the event's unique key.
    key: str
    #: When it was written, milliseconds since 1970 UTC.
    at: int
    model: str
    kind: RecordEvent
    #: The row after and before, column -> JSON value; None where there is none.
    new: dict[str, Any] | None
    old: dict[str, Any] | None
    #: Why it cannot be read; None: it can.
    unreadable: str | None = None
    #: Who changed it, as the database knows them; None: it does not.
    actor: str | None = None


class Moved(NamedTuple):
    """What may have happened since the last time somebody asked."""

    rows: bool
    schema: bool


class Watched(Protocol):
    """A database whose row changes become events."""

    @property
    def namespace(self) -> str: ...

    @property
    def poll_seconds(self) -> float:
        """How long a change may go unnoticed when nobody tells of it."""
        ...

    async def rest(self, seconds: float) -> None:
        """Until rows may have come, at most so long."""
        ...

    async def relations(self) -> Mapping[str, Relation]:
        """Every name in the catalogue that an executor might call a model."""
        ...

    async def plan(self, wanted: Mapping[str, frozenset[RecordEvent]]) -> Installed:
        """What `install` would do and find. Changes nothing."""
        ...

    async def install(self, wanted: Mapping[str, frozenset[RecordEvent]]) -> Installed:
        """Make the triggers exactly those that `wanted` asks for, in one transaction, and record gaps."""
        ...

    async def uninstall(self, *, discard: bool = False) -> None:
        """Remove everything of the hub's. Raises Conflict while changes wait, unless `discard`."""
        ...

    async def status(self, wanted: Mapping[str, frozenset[RecordEvent]]) -> Status: ...

    async def moved(self) -> Moved:
        """Whether rows or the schema may have changed since the last call. Cheap; the first answer is yes."""
        ...

    async def read(self, limit: int) -> list[OutboxRow]:
        """The oldest waiting changes, in order. They stay until `delete`."""
        ...

    async def delete(self, rows: Sequence[OutboxRow]) -> None:
        """Forget changes that the hub has stored. Those already gone are no error."""
        ...

    async def set_aside(self, row: OutboxRow, why: str) -> None:
        """Keep a change that cannot be handed over where it blocks nothing, and record a finding."""
        ...

    async def close(self) -> None: ...


def left_aside(row: OutboxRow, why: str, now: int) -> Finding:
    """That a row was not handed over, and is kept for a person."""
    return Finding("set_aside", row.model, f"outbox row {row.id} was not handed over: {why}", now)


def shown(name: str) -> str:
    """A name in quotes, on one line whatever it holds."""
    return json.dumps(name, ensure_ascii=not name.isprintable())


def changes_wait(namespace: str, count: int) -> Conflict:
    """Why nothing can be uninstalled yet."""
    return Conflict(
        f"{counted(count, 'change waits', 'changes wait')} in database {shown(namespace)} and would have no event. Run "
        "`hub serve` until all is handed over, or discard what waits."
    )


def status_of(
    wanted: Mapping[str, frozenset[RecordEvent]],
    installed: Mapping[str, frozenset[RecordEvent]],
    depths: Mapping[str, int],
    *,
    aside: int,
    oldest_at: int | None,
    findings: Sequence[Finding],
) -> Status:
    """The status, from what is wanted of each table, what stands on it, and how many of its changes wait."""
    tables = tuple(
        TableStatus(table, frozenset(wanted[table]), installed[table], depths.get(table, 0)) for table in sorted(wanted)
    )
    return Status(tables, sum(depths.values()), aside, oldest_at, tuple(findings))
