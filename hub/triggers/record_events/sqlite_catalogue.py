"""What a watched SQLite database holds: the tables that may be watched, and what is the hub's own."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field

from hub.store.results import TABLE as RESULTS
from hub.triggers.record_events.sqlite_text import FINDINGS, INSTALLED, MARK, OUTBOX, TABLES, is_own_trigger
from hub.triggers.record_events.watched import Relation


@dataclass(frozen=True, slots=True)
class Trigger:
    """One of our triggers as the catalogue has it."""

    table: str
    sql: str


@dataclass(frozen=True, slots=True)
class Record:
    """What we remember of a trigger that we made."""

    table: str
    kind: str
    columns: tuple[str, ...]
    #: Of the text that we installed.
    digest: str
    #: When, milliseconds since 1970 UTC.
    at: int


@dataclass(frozen=True, slots=True)
class Catalogue:
    relations: dict[str, Relation]
    #: Columns of the tables that were asked for, in order, generated ones too.
    columns: dict[str, tuple[str, ...]]
    #: Tables with a constraint that says ON CONFLICT REPLACE.
    replacing: frozenset[str] = frozenset()
    triggers: dict[str, Trigger] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    #: Our tables that are there.
    own: frozenset[str] = frozenset()
    #: Tables of somebody else under our names.
    taken: frozenset[str] = frozenset()


def read_catalogue(connection: sqlite3.Connection, tables: Iterable[str]) -> Catalogue:
    """The catalogue, with the columns of `tables`. Run it inside a transaction to get one consistent picture."""
    relations: dict[str, Relation] = {}
    triggers: dict[str, Trigger] = {}
    replacing: set[str] = set()
    own: set[str] = set()
    taken: set[str] = set()
    for kind, name, table, sql in connection.execute(
        "SELECT type, name, tbl_name, coalesce(sql, '') FROM main.sqlite_master"
    ):
        if kind == "trigger" and is_own_trigger(name, sql):
            triggers[name] = Trigger(table, sql)
        elif kind in {"table", "view"}:
            relations[name] = _relation(kind, name, sql)
            if name in TABLES:
                (own if MARK in sql else taken).add(name)
            if "ON CONFLICT REPLACE" in " ".join(sql.upper().split()):
                replacing.add(name)
    columns: dict[str, tuple[str, ...]] = {}
    for table in tables:
        if relations.get(table) == "table":
            columns[table] = _columns(connection, table)
            if any(not _is_unicode(column) for column in columns[table]):
                relations[table] = "unreadable"
    return Catalogue(
        relations=relations,
        columns=columns,
        replacing=frozenset(replacing),
        triggers=triggers,
        records=_records(connection) if INSTALLED in own else {},
        own=frozenset(own),
        taken=frozenset(taken),
    )


def _relation(kind: str, name: str, sql: str) -> Relation:
    if kind == "view":
        return "view"
    if name in {OUTBOX, INSTALLED, FINDINGS, RESULTS} or name.lower().startswith("sqlite_"):
        return "system"
    if not _is_unicode(name):
        return "unreadable"
    return "virtual" if sql.startswith("CREATE VIRTUAL TABLE") else "table"


def _columns(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    # hidden: 0 ordinary, 2 and 3 generated (https://www.sqlite.org/pragma.html#pragma_table_xinfo)
    rows = connection.execute(
        "SELECT name FROM pragma_table_xinfo(?, 'main') WHERE hidden IN (0, 2, 3) ORDER BY cid", (table,)
    )
    return tuple(name for (name,) in rows)


def _records(connection: sqlite3.Connection) -> dict[str, Record]:
    rows = connection.execute(f"SELECT trigger_name, model, kind, columns, digest, at FROM main.{INSTALLED}")
    return {
        trigger: Record(table, kind, tuple(json.loads(columns)), digest, at)
        for trigger, table, kind, columns, digest, at in rows
    }


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
