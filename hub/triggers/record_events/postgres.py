"""Watching a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import sql

from hub.model.clock import Clock
from hub.model.errors import Conflict
from hub.triggers.record_events import postgres_installing, postgres_outbox
from hub.triggers.record_events.postgres_bell import Bell
from hub.triggers.record_events.postgres_catalogue import Catalogue, read_catalogue
from hub.triggers.record_events.postgres_link import Connection, Link
from hub.triggers.record_events.postgres_outbox import READY
from hub.triggers.record_events.postgres_plan import Plan, compare, matching, standing
from hub.triggers.record_events.postgres_text import (
    FINDINGS,
    FUNCTIONS,
    LOCK,
    OUTBOX,
    SCHEMA,
    meant_by,
    model_of,
)
from hub.triggers.record_events.wanted import Wanted
from hub.triggers.record_events.watched import (
    Finding,
    Installed,
    Moved,
    OutboxRow,
    Relation,
    Status,
    left_aside,
    shown,
    status_of,
)

#: How often the catalogue is asked whether triggers or tables have changed, in seconds.
_SCHEMA_SECONDS = 1.0

#: A process that starts tells what was recorded in that time: nobody may have heard of it.
_RECENT_MS = 86_400_000

#: One text for everything that a check would look at; another one: look.
_DIGEST = r"""
SELECT concat_ws('/',
  (SELECT string_agg(concat(c.oid, c.relkind, c.relpersistence, c.relfilenode,
     (SELECT string_agg(i.inhrelid::text, '+' ORDER BY i.inhrelid) FROM pg_inherits i WHERE i.inhparent = c.oid),
     (SELECT string_agg(a.attname, '+') FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attgenerated = 'v')),
     ',' ORDER BY c.oid)
   FROM unnest(%s::text[], %s::text[]) wanted(s, t)
   JOIN pg_namespace n ON n.nspname = wanted.s JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.t),
  (SELECT string_agg(t.oid || ':' || t.xmin::text, ',' ORDER BY t.oid) FROM pg_trigger t
   JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname = %s),
  (SELECT string_agg(p.oid || ':' || p.xmin::text, ',' ORDER BY p.oid) FROM pg_proc p
   JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname = %s),
  (SELECT string_agg(c.oid::text, ',' ORDER BY c.oid) FROM pg_class c
   JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = %s WHERE c.relkind IN ('r', 'S')))
"""


class PostgresWatched:
    """`Watched` for a PostgreSQL database: a schema `_hub` in it, and triggers on the watched tables.

    Several nodes may watch the same database. They install one after the other, and each drains what the others have not locked.
    A first change wakes the hub by NOTIFY; what comes soon after it is found by looking often, and the rest by looking now and then.
    """

    poll_seconds = 0.25

    def __init__(self, namespace: str, url: str, clock: Clock) -> None:
        self._link = Link(namespace, url)
        self._bell = Bell(url, clock)
        self._clock = clock
        self._generation = 0
        self._verified: int | None = None
        #: What stood when `install` last looked.
        self._digest: str | None = None
        self._asked_at = float("-inf")
        #: The last recorded finding that `install` has told; None: it has told none.
        self._told: int | None = None
        #: What the last `install` asked for.
        self._models: tuple[str, ...] = ()

    @property
    def namespace(self) -> str:
        return self._link.namespace

    async def relations(self) -> Mapping[str, Relation]:
        return (await self._link.run(self._catalogue)).relations

    async def plan(self, wanted: Wanted) -> Installed:
        plan = self._compare(await self._link.run(self._catalogue), wanted)
        return Installed(tuple(plan.changes), (*plan.gaps, *plan.standing))

    async def install(self, wanted: Wanted, *, run_role: str | None = None) -> Installed:
        """`run_role` is given what a hub needs that did not install. Raises Conflict when a schema of somebody else has our name."""
        return await self._link.run(lambda connection: self._install(connection, wanted, run_role), patient=True)

    async def uninstall(self, *, discard: bool = False) -> None:
        await self._link.run(lambda connection: self._uninstall(connection, discard=discard), patient=True)

    async def status(self, wanted: Wanted) -> Status:
        return await self._link.run(lambda connection: _status(connection, wanted, self._clock.now()), patient=True)

    async def moved(self) -> Moved:
        return await self._link.run(self._moved)

    async def read(self, limit: int) -> list[OutboxRow]:
        return await self._link.run(lambda connection: postgres_outbox.read(connection, limit))

    async def delete(self, rows: Sequence[OutboxRow]) -> None:
        await self._link.run(lambda connection: postgres_outbox.delete(connection, rows))

    async def set_aside(self, row: OutboxRow, why: str) -> None:
        finding = left_aside(row, why, self._clock.now())
        await self._link.run(lambda connection: postgres_outbox.set_aside(connection, row, finding))

    async def rest(self, seconds: float) -> None:
        await self._bell.wait(seconds)

    async def close(self) -> None:
        await self._bell.close()
        await self._link.close()

    async def role(self) -> str:
        """Whom the address signs in as."""

        async def ask(connection: Connection) -> str:
            row = await (await connection.execute("SELECT current_user")).fetchone()
            assert row is not None
            return str(row[0])

        return await self._link.run(ask)

    # --- inside

    async def _catalogue(self, connection: Connection) -> Catalogue:
        await postgres_outbox.give_back(connection)
        async with connection.transaction():
            return await read_catalogue(connection)

    def _compare(self, catalogue: Catalogue, wanted: Wanted) -> Plan:
        if self._generation != self._link.generation:
            self._generation, self._digest = self._link.generation, None
        return compare(catalogue, wanted, now=self._clock.now(), verified=self._verified)

    async def _install(self, connection: Connection, wanted: Wanted, run_role: str | None) -> Installed:
        now = self._clock.now()
        digest = await _digest(connection, tuple(wanted))
        plan = self._compare(await self._catalogue(connection), wanted)
        recorded = await postgres_outbox.recorded(connection, self._told, now - _RECENT_MS)
        if not plan.idle or run_role is not None:
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
                catalogue = await read_catalogue(connection)
                plan = self._compare(catalogue, wanted)
                await postgres_installing.apply(connection, catalogue, plan, self.namespace)
                await postgres_installing.remember(connection, plan, wanted, now)
                if run_role is not None:
                    await postgres_installing.grant(connection, run_role)
            digest = await _digest(connection, tuple(wanted))
        # Asked before it was looked: a change in between is seen as one.
        self._models, self._digest, self._verified = tuple(wanted), digest, now
        self._asked_at = self._clock.monotonic()
        self._told = await postgres_outbox.last_recorded(connection)
        return Installed(tuple(plan.changes), (*plan.gaps, *recorded, *plan.standing))

    async def _uninstall(self, connection: Connection, *, discard: bool) -> None:
        await postgres_outbox.give_back(connection)
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            catalogue = await read_catalogue(connection)
            if not catalogue.schema:
                return
            # The tables first, then the outbox: in the order in which users' transactions come to them. The triggers go with
            # their function, for which its owner is enough.
            for name in FUNCTIONS:
                drop = sql.SQL("DROP FUNCTION IF EXISTS {} () CASCADE").format(sql.Identifier(SCHEMA, name))
                await connection.execute(drop)
            if "outbox" in catalogue.own and not discard:
                await postgres_installing.refuse_waiting(connection, self.namespace)
            await postgres_installing.drop_schema(connection, catalogue, self.namespace)
            left = await read_catalogue(connection)
            if left.schema or left.triggers:
                raise Conflict(f"database {shown(self.namespace)} keeps the schema {SCHEMA}; nothing was removed.")
        self._digest = None

    async def _moved(self, connection: Connection) -> Moved:
        if self._generation != self._link.generation:
            self._generation, self._digest = self._link.generation, None
        if connection.info.transaction_status.name != "IDLE":
            return Moved(rows=True, schema=False)  # a batch was read and not handed over
        schema = self._digest is None
        if not schema and self._clock.monotonic() - self._asked_at >= _SCHEMA_SECONDS:
            self._asked_at = self._clock.monotonic()
            schema = await _digest(connection, self._models) != self._digest
        return Moved(rows=await postgres_outbox.any_waiting(connection), schema=schema)


async def _digest(connection: Connection, models: Sequence[str]) -> str:
    await postgres_outbox.give_back(connection)
    meant = [pair for model in models for pair in meant_by(model)]
    parameters: list[Any] = [[schema for schema, _ in meant], [table for _, table in meant], SCHEMA, SCHEMA, SCHEMA]
    row = await (await connection.execute(_DIGEST, parameters)).fetchone()
    return "" if row is None else str(row[0])


async def _status(connection: Connection, wanted: Wanted, now: int) -> Status:
    await postgres_outbox.give_back(connection)
    async with connection.transaction():
        catalogue = await read_catalogue(connection)
        depths: dict[str, int] = {}
        aside, oldest, findings = 0, None, standing(catalogue, wanted, now)
        if "outbox" in catalogue.own:
            cursor = await connection.execute(
                f"SELECT schema_name, table_name, state = {READY}, count(*), "
                f"(extract(epoch FROM min(at)) * 1000)::bigint FROM {OUTBOX} GROUP BY 1, 2, 3"
            )
            for schema, table, ready, count, at in await cursor.fetchall():
                if ready:
                    model = model_of(schema, table)
                    depths[model] = depths.get(model, 0) + count
                    oldest = at if oldest is None else min(oldest, at)
                else:
                    aside += count
        if "findings" in catalogue.own:
            cursor = await connection.execute(f"SELECT kind, model, sentence, at FROM {FINDINGS} ORDER BY id DESC")
            findings += [Finding(*row) for row in await cursor.fetchall()]
    installed = {model: matching(catalogue, wanted, model) for model in wanted}
    return status_of(wanted, installed, depths, aside=aside, oldest_at=oldest, findings=findings)
