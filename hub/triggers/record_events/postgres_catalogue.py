"""What a watched PostgreSQL database holds: the tables that may be watched, and what is the hub's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from hub.store.results import TABLE as RESULTS
from hub.triggers.record_events.postgres_text import FUNCTIONS, INSTALLED, MARK, SCHEMA, SETTINGS, TABLES, model_of
from hub.triggers.record_events.watched import Relation

#: What `pg_class.relkind` says.
_KINDS: dict[str, Relation] = {"r": "table", "p": "table", "v": "view", "m": "view", "f": "foreign"}


@dataclass(frozen=True, slots=True)
class Table:
    """A table that may be watched."""

    oid: int
    schema: str
    name: str
    partitioned: bool
    #: Whether the connected role may alter it.
    owned: bool
    unlogged: bool
    #: Tables that inherit from it, partitions apart.
    heirs: tuple[str, ...] = ()
    #: Columns that are computed whenever they are read, and are in no row.
    virtual: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trigger:
    """One of our triggers as the catalogue has it."""

    oid: int
    name: str
    relation: int
    schema: str
    table: str
    bits: int
    #: "A": always; "O": not in sessions that replicate; "R", "D": only in those, never. Of a partitioned table: "D" also when it
    #: is not in one of the partitions as it is in the whole.
    enabled: str
    #: It has a condition, columns or arguments of somebody else's.
    strange: bool
    #: Changes with every change of the trigger.
    version: str
    #: Whether the connected role may drop it: that takes the table's owner.
    owned: bool


@dataclass(frozen=True, slots=True)
class Record:
    """What we remember of a trigger that we made."""

    relation: int
    trigger: int
    version: str
    #: When, milliseconds since 1970 UTC.
    at: int


@dataclass(frozen=True, slots=True)
class Catalogue:
    relations: dict[str, Relation]
    tables: dict[str, Table]
    triggers: tuple[Trigger, ...] = ()
    #: (model, trigger's name) -> record.
    records: dict[tuple[str, str], Record] | None = None
    #: Our schema is there.
    schema: bool = False
    #: A schema of somebody else has our name.
    taken: bool = False
    #: Our tables that are there.
    own: frozenset[str] = frozenset()
    #: Our functions that are there, and whether each is as we write it.
    functions: dict[str, bool] | None = None


async def read_catalogue(connection: AsyncConnection[Any]) -> Catalogue:
    """Run it inside a transaction to get one consistent picture."""
    relations, tables = await _relations(connection)
    found = await (
        await connection.execute(
            "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s", [SCHEMA]
        )
    ).fetchone()
    if found is None:
        return Catalogue(relations, tables)
    if found[0] != MARK:
        return Catalogue(relations, tables, taken=True)
    own = await _own(connection)
    return Catalogue(
        relations,
        tables,
        await _triggers(connection),
        await _records(connection) if "installed" in own else {},
        schema=True,
        own=own,
        functions=await _functions(connection),
    )


async def _relations(connection: AsyncConnection[Any]) -> tuple[dict[str, Relation], dict[str, Table]]:
    cursor = await connection.execute(
        "SELECT c.oid::bigint, n.nspname, c.relname, c.relkind, c.relispartition, pg_has_role(c.relowner, 'USAGE'), "
        "c.relpersistence, "
        "ARRAY(SELECT k.relname::text FROM pg_inherits i JOIN pg_class k ON k.oid = i.inhrelid "
        "WHERE i.inhparent = c.oid AND NOT k.relispartition ORDER BY 1), "
        "ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attgenerated = 'v' ORDER BY a.attnum) "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        r"WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' "
        "ORDER BY n.nspname <> 'public' DESC"  # where two are called the same, the one in `public` is meant
    )
    relations: dict[str, Relation] = {}
    tables: dict[str, Table] = {}
    async for oid, schema, name, kind, partition, owned, persistence, heirs, virtual in cursor:
        model = model_of(schema, name)
        tables.pop(model, None)
        relations[model] = "partition" if partition else _KINDS[kind]
        if schema == SCHEMA or name == RESULTS:
            relations[model] = "system"
        elif relations[model] == "table":
            tables[model] = Table(
                oid, schema, name, kind == "p", owned, persistence == "u", tuple(heirs), tuple(virtual)
            )
    return relations, tables


async def _own(connection: AsyncConnection[Any]) -> frozenset[str]:
    cursor = await connection.execute(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s AND c.relkind IN ('r', 'S')",
        [SCHEMA],
    )
    return frozenset({name async for (name,) in cursor} & TABLES.keys())


async def _triggers(connection: AsyncConnection[Any]) -> tuple[Trigger, ...]:
    cursor = await connection.execute(
        "SELECT t.oid::bigint, t.tgname, t.tgrelid::bigint, s.nspname, c.relname, t.tgtype, "
        "CASE WHEN c.relkind = 'p' AND EXISTS (SELECT FROM pg_partition_tree(c.oid) part JOIN pg_trigger k "
        "ON k.tgrelid = part.relid AND k.tgname = t.tgname AND k.tgenabled <> t.tgenabled) THEN 'D' ELSE t.tgenabled END, "
        "t.tgqual IS NOT NULL OR t.tgattr <> ''::int2vector OR t.tgdeferrable OR t.tgnargs <> "
        "(CASE WHEN c.relkind = 'p' AND t.tgtype & 1 = 1 THEN 1 ELSE 0 END), t.oid::text || '/' || t.xmin::text, "
        "pg_has_role(c.relowner, 'USAGE') "
        "FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace "
        "JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace s ON s.oid = c.relnamespace "
        "WHERE n.nspname = %s AND t.tgparentid = 0 AND NOT t.tgisinternal ORDER BY t.oid",
        [SCHEMA],
    )
    return tuple([Trigger(*row) async for row in cursor])


async def _records(connection: AsyncConnection[Any]) -> dict[tuple[str, str], Record]:
    cursor = await connection.execute(
        f"SELECT model, trigger_name, relation::bigint, trigger::bigint, version, at FROM {INSTALLED}"
    )
    return {(model, name): Record(*rest) async for model, name, *rest in cursor}


async def _functions(connection: AsyncConnection[Any]) -> dict[str, bool]:
    cursor = await connection.execute(
        "SELECT p.proname, p.prosrc, p.prosecdef, p.proconfig FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
        "WHERE n.nspname = %s",
        [SCHEMA],
    )
    expected = {f"{name}={value}" for name, value in SETTINGS.items()}
    return {
        name: source == FUNCTIONS[name] and definer and set(config or ()) == expected
        async for name, source, definer, config in cursor
        if name in FUNCTIONS
    }
