"""What installing and uninstalling do to a watched PostgreSQL database. All of it in the transaction of whoever calls."""

from __future__ import annotations

from psycopg import errors, sql

from hub.model.errors import Conflict
from hub.triggers.record_events import postgres_outbox
from hub.triggers.record_events.postgres_catalogue import Catalogue, Table, Trigger, read_catalogue
from hub.triggers.record_events.postgres_link import Connection
from hub.triggers.record_events.postgres_plan import Plan
from hub.triggers.record_events.postgres_text import (
    FINDINGS,
    INSTALLED,
    MARK,
    OUTBOX,
    SCHEMA,
    TABLES,
    Wish,
    create_function,
    create_trigger,
)
from hub.triggers.record_events.wanted import Wanted
from hub.triggers.record_events.watched import changes_wait, shown


async def apply(connection: Connection, catalogue: Catalogue, plan: Plan, namespace: str) -> None:
    if catalogue.taken:
        raise Conflict(
            f"database {shown(namespace)} has a schema {SCHEMA} of somebody else, a name that the hub needs. Rename that schema."
        )
    if (plan.tables or plan.functions) and not catalogue.schema:
        await connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SCHEMA)))
        comment = sql.SQL("COMMENT ON SCHEMA {} IS {}").format(sql.Identifier(SCHEMA), sql.Literal(MARK))
        await connection.execute(comment)
    for name in plan.tables:
        await connection.execute(TABLES[name])
    for name in plan.functions:
        await connection.execute(create_function(name))
        await connection.execute(
            sql.SQL("REVOKE ALL ON FUNCTION {} () FROM PUBLIC").format(sql.Identifier(SCHEMA, name))
        )
    for trigger in plan.drop:
        await _drop(connection, trigger)
    for _, table, wish in plan.create:
        await _create(connection, table, wish)
    if catalogue.schema or plan.tables:
        await postgres_outbox.record(connection, plan.gaps)


async def _create(connection: Connection, table: Table, wish: Wish) -> None:
    name = sql.Identifier(table.schema, table.name)
    await connection.execute(create_trigger(wish, name, partitioned=table.partitioned))
    if table.owned:
        # Also where a session replicates, or a restore says so: what it changes is changed all the same.
        await connection.execute(
            sql.SQL("ALTER TABLE {} ENABLE ALWAYS TRIGGER {}").format(name, sql.Identifier(wish.name))
        )


async def _drop(connection: Connection, trigger: Trigger) -> None:
    await connection.execute(
        sql.SQL("DROP TRIGGER {} ON {}").format(
            sql.Identifier(trigger.name), sql.Identifier(trigger.schema, trigger.table)
        )
    )


async def remember(connection: Connection, plan: Plan, wanted: Wanted, now: int) -> None:
    """Note what stands now, with the numbers that the catalogue has given it."""
    for model, name in plan.forget:
        await connection.execute(
            f"DELETE FROM {INSTALLED} WHERE model = %s AND trigger_name = %s",
            [model, name],
        )
    after = {(one.relation, one.name): one for one in (await read_catalogue(connection)).triggers}
    fresh = [(model, after[table.oid, wish.name]) for model, table, wish in plan.create]
    for model, trigger in [*fresh, *plan.remember]:
        if model in wanted:
            await connection.execute(
                f"INSERT INTO {INSTALLED} (model, trigger_name, relation, trigger, version, at) "
                "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (model, trigger_name) DO UPDATE SET relation = excluded.relation, "
                "trigger = excluded.trigger, version = excluded.version, at = excluded.at",
                [model, trigger.name, trigger.relation, trigger.oid, trigger.version, now],
            )


async def grant(connection: Connection, role: str) -> None:
    """Give a role the rights that a hub needs which only drains and looks."""
    to = sql.Identifier(role)
    for what in (
        f"USAGE ON SCHEMA {SCHEMA}",
        f"SELECT, UPDATE, DELETE ON {OUTBOX}",
        f"SELECT, INSERT, DELETE ON {FINDINGS}",
        f"SELECT ON {INSTALLED}",
    ):
        await connection.execute(sql.SQL("GRANT {} TO {}").format(sql.SQL(what), to))


async def refuse_waiting(connection: Connection, namespace: str) -> None:
    await connection.execute(f"LOCK TABLE {OUTBOX} IN ACCESS EXCLUSIVE MODE")
    row = await (await connection.execute(f"SELECT count(*) FROM {OUTBOX}")).fetchone()
    if row is not None and row[0]:
        raise changes_wait(namespace, row[0])


async def drop_schema(connection: Connection, catalogue: Catalogue, namespace: str) -> None:
    """Ours, and nothing of anybody else's that stands in it or hangs on it."""
    try:
        for name in sorted(catalogue.own):
            kind = sql.SQL("SEQUENCE" if name == "pulse" else "TABLE")
            await connection.execute(sql.SQL("DROP {} {}").format(kind, sql.Identifier(SCHEMA, name)))
        await connection.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(SCHEMA)))
    except errors.DependentObjectsStillExist as error:
        raise Conflict(
            f"database {shown(namespace)}: something of somebody else hangs on the schema {SCHEMA}, so nothing was removed: "
            f"{error.diag.message_detail or error.diag.message_primary}"
        ) from None
