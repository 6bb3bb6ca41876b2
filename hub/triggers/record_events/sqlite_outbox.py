"""The outbox of a watched SQLite database: its waiting rows, and the findings kept beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from hub.model.executor import RECORD_EVENTS, RecordEvent
from hub.triggers.record_events import sqlite_wire
from hub.triggers.record_events.sqlite_file import writing
from hub.triggers.record_events.sqlite_text import FINDINGS, MARK, OUTBOX
from hub.triggers.record_events.watched import Finding, OutboxRow

_FINDINGS_KEPT = 100

#: A batch ends with the row that passes this many characters, so that wide rows do not fill the memory.
_BATCH_CHARACTERS = 4_000_000

#: Values of `state`.
READY, SET_ASIDE = 0, 1


def _has_outbox(connection: sqlite3.Connection) -> bool:
    found = connection.execute(
        "SELECT 1 FROM main.sqlite_master WHERE name = ? AND instr(sql, ?)", (OUTBOX, MARK)
    ).fetchone()
    return found is not None


def read(connection: sqlite3.Connection, limit: int) -> list[OutboxRow]:
    if not _has_outbox(connection):
        return []
    found: list[OutboxRow] = []
    characters = 0
    cursor = connection.execute(
        f"SELECT id, lower(hex(uid)), at, model, kind, new_row, old_row FROM {OUTBOX} WHERE state = {READY} ORDER BY id LIMIT ?",
        (limit,),
    )
    try:
        for row in cursor:
            found.append(_row(*row))
            characters += len(row[5] or "") + len(row[6] or "")
            if characters > _BATCH_CHARACTERS:
                break
    finally:
        cursor.close()  # a cursor left half read keeps a read lock
    return found


def _row(id: int, uid: str, at: int, model: str, kind: RecordEvent, new: str | None, old: str | None) -> OutboxRow:
    key = f"{id}-{at}-{uid}"
    if kind not in RECORD_EVENTS or not isinstance(at, int) or not isinstance(model, str):
        return OutboxRow(
            id, key, 0, str(model), kind, None, None, unreadable="it was not written by a trigger of the hub"
        )
    try:
        return OutboxRow(id, key, at, model, kind, sqlite_wire.record(new), sqlite_wire.record(old))
    except ValueError as error:
        return OutboxRow(id, key, at, model, kind, None, None, unreadable=str(error))


def delete(connection: sqlite3.Connection, rows: Sequence[OutboxRow]) -> None:
    if not _has_outbox(connection):
        return
    with writing(connection):
        connection.executemany(
            f"DELETE FROM {OUTBOX} WHERE id = ? AND lower(hex(uid)) = ?", [_identity(row) for row in rows]
        )


def set_aside(connection: sqlite3.Connection, row: OutboxRow, finding: Finding) -> None:
    with writing(connection):
        connection.execute(
            f"UPDATE {OUTBOX} SET state = {SET_ASIDE} WHERE id = ? AND lower(hex(uid)) = ?", _identity(row)
        )
        record(connection, [finding])


def _identity(row: OutboxRow) -> tuple[int, str]:
    """Number and random bits: the number alone may belong to a later row by now."""
    return row.id, row.key.rsplit("-", 1)[1]


def record(connection: sqlite3.Connection, findings: Sequence[Finding]) -> None:
    connection.executemany(
        f"INSERT INTO {FINDINGS} (at, kind, model, sentence) VALUES (?, ?, ?, ?)",
        [(finding.at, finding.kind, finding.table, finding.sentence) for finding in findings],
    )
    connection.execute(f"DELETE FROM {FINDINGS} WHERE id <= (SELECT max(id) FROM {FINDINGS}) - ?", (_FINDINGS_KEPT,))
