"""The outbox of a watched PostgreSQL database: its waiting rows, and the findings kept beside it.

Rows are taken by their state and locked until they are deleted: a number that is drawn early may be committed late, so nobody may
say "all up to this one". Other nodes pass locked rows by.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import errors

from hub.model.executor import RecordEvent
from hub.triggers.record_events import postgres_wire
from hub.triggers.record_events.postgres_link import Connection
from hub.triggers.record_events.postgres_text import FINDINGS, OUTBOX, model_of
from hub.triggers.record_events.watched import Finding, OutboxRow

_FINDINGS_KEPT = 100

#: A batch ends with the row that passes this many bytes, as they are stored.
_BATCH_BYTES = 4_000_000

#: Values of `state`.
READY, SET_ASIDE = 0, 1

_KINDS: dict[str, RecordEvent] = {
    "INSERT": "record.created",
    "UPDATE": "record.updated",
    "DELETE": "record.deleted",
}

_WAITING = f"SELECT EXISTS (SELECT FROM {OUTBOX} WHERE state = {READY})"
_TAKE = (
    f"SELECT id, coalesce(pg_column_size(new_row), 0) + coalesce(pg_column_size(old_row), 0) FROM {OUTBOX} "
    f"WHERE state = {READY} ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED"
)
_READ = (
    "SELECT id, key::text, (extract(epoch FROM at) * 1000)::bigint, schema_name, table_name, operation, new_row::text, "
    f"old_row::text, actor FROM {OUTBOX} WHERE id = ANY(%s) ORDER BY id"
)


async def any_waiting(connection: Connection) -> bool:
    """Whether rows wait, locked ones too. Cheap. False where there is no outbox."""
    try:
        row = await (await connection.execute(_WAITING)).fetchone()
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        return False
    return row is not None and bool(row[0])


async def read(connection: Connection, limit: int) -> list[OutboxRow]:
    """Lock the oldest waiting rows that nobody has locked. The transaction stays open until they are deleted."""
    await give_back(connection)
    await connection.execute("BEGIN")
    try:
        sizes = await (await connection.execute(_TAKE, [limit])).fetchall()
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        sizes = []
    taken, size = [], 0
    for identifier, length in sizes:
        taken.append(identifier)
        size += length
        if size > _BATCH_BYTES:
            break
    if not taken:
        await give_back(connection)
        return []
    return [_row(*row) for row in await (await connection.execute(_READ, [taken])).fetchall()]


async def give_back(connection: Connection) -> None:
    """Unlock what was read, if anything was."""
    if connection.info.transaction_status.name != "IDLE":
        await connection.execute("ROLLBACK")


def _row(
    id: int, key: str, at: int, schema: str, table: str, operation: str, new: str | None, old: str | None, actor: str
) -> OutboxRow:
    model, kind = model_of(schema, table), _KINDS.get(operation)
    if kind is None:
        why = "it was not written by a trigger of the hub"
        return OutboxRow(id, key, at, model, "record.created", None, None, unreadable=why)
    try:
        return OutboxRow(id, key, at, model, kind, postgres_wire.record(new), postgres_wire.record(old), actor=actor)
    except ValueError as error:
        return OutboxRow(id, key, at, model, kind, None, None, unreadable=str(error))


async def delete(connection: Connection, rows: Sequence[OutboxRow]) -> None:
    """Delete what the hub has stored, and end the transaction in which it was read."""
    if connection.info.transaction_status.name == "IDLE":
        await connection.execute("BEGIN")
    await connection.execute(
        f"DELETE FROM {OUTBOX} USING unnest(%s::bigint[], %s::uuid[]) gone(id, key) "
        "WHERE outbox.id = gone.id AND outbox.key = gone.key",
        [[row.id for row in rows], [row.key for row in rows]],
    )
    await connection.execute("COMMIT")


async def set_aside(connection: Connection, row: OutboxRow, finding: Finding) -> None:
    """At once: what was read with it is unlocked by that, and may be stored twice, which its key tells."""
    if connection.info.transaction_status.name == "IDLE":
        await connection.execute("BEGIN")
    await connection.execute(
        f"UPDATE {OUTBOX} SET state = {SET_ASIDE} WHERE id = %s AND key = %s",
        [row.id, row.key],
    )
    await record(connection, [finding])
    await connection.execute("COMMIT")


async def record(connection: Connection, findings: Sequence[Finding]) -> None:
    for finding in findings:
        await connection.execute(
            f"INSERT INTO {FINDINGS} (at, kind, model, sentence) VALUES (%s, %s, %s, %s)",
            [finding.at, finding.kind, finding.table, finding.sentence],
        )
    await connection.execute(f"DELETE FROM {FINDINGS} WHERE id <= (SELECT max(id) FROM {FINDINGS}) - {_FINDINGS_KEPT}")


async def recorded(connection: Connection, behind: int | None, since: int) -> list[Finding]:
    """Findings behind this number, the oldest first; None: of that time and later."""
    try:
        cursor = await connection.execute(
            f"SELECT kind, model, sentence, at FROM {FINDINGS} WHERE id > coalesce(%s, 0) AND (%s::bigint IS NOT NULL OR at >= %s) "
            "ORDER BY id",
            [behind, behind, since],
        )
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        return []
    return [Finding(*row) for row in await cursor.fetchall()]


async def last_recorded(connection: Connection) -> int:
    """The number of the last finding; 0: there is none."""
    try:
        row = await (await connection.execute(f"SELECT coalesce(max(id), 0) FROM {FINDINGS}")).fetchone()
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        return 0
    return 0 if row is None else int(row[0])
