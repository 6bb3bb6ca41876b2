"""The store's SQL as PostgreSQL reads it: `$1` for `?`, many rows as one array a column."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from hub.store.dialects.base import Bulk
from hub.store.dialects.postgres_link import BYTEA, INT8, TEXT

_TYPES = {"text": ("text", TEXT, 1009), "int": ("bigint", INT8, 1016), "bytes": ("bytea", BYTEA, 1001)}
_NULL = struct.pack("!i", -1)
_INT = struct.Struct("!iq")
_LENGTH = struct.Struct("!i")
_HEAD = struct.Struct("!iiIii")

#: Rows that a statement changes or depends on stay as they are until the end: without it a claim could change between the look
#: at its epoch and the write. Locked in order of their ids, so that two nodes do not wait for each other.
_HELD = (
    ", held AS MATERIALIZED (SELECT id, epoch, status FROM executions WHERE id IN (SELECT {column} FROM v) "
    "ORDER BY id FOR NO KEY UPDATE)"
)


@lru_cache(maxsize=1024)
def numbered(sql: str) -> str:
    """`?` becomes `$1`, `$2`, … The store's texts have no `?` inside quotes."""
    first, *rest = sql.split("?")
    return first + "".join(f"${place}{part}" for place, part in enumerate(rest, 1))


@lru_cache(maxsize=256)
def bulk_text(columns: str, body: str) -> tuple[str, tuple[int, ...]]:
    """The statement over arrays, and their types."""
    names, arrays, oids = [], [], []
    for place, column in enumerate(columns.split(), 1):
        name, kind = column.split(":")
        names.append(name)
        arrays.append(f"${place}::{_TYPES[kind][0]}[]")
        oids.append(_TYPES[kind][2])
    held = ""
    if Bulk.HELD in body:
        held = _HELD.format(column="execution_id" if "execution_id" in names else "id")
    body = body.replace(Bulk.FREE_BODY, " true ")  # the index knows
    text = f"WITH v({','.join(names)}) AS (SELECT * FROM unnest({','.join(arrays)})){held} {body}"
    return text, tuple(oids)


def bound(params: Sequence[Any]) -> tuple[list[int], list[bytes | None]]:
    """Single parameters: their types and their binary forms."""
    oids: list[int] = []
    values: list[bytes | None] = []
    for param in params:
        match param:
            case None:
                oids.append(0)
                values.append(None)
            case str():
                oids.append(TEXT)
                values.append(param.encode())
            case int():
                oids.append(INT8)
                values.append(param.to_bytes(8, "big", signed=True))
            case bytes() | bytearray() | memoryview():
                oids.append(BYTEA)
                values.append(bytes(param))
            case _:
                raise TypeError(f"{type(param).__name__} is nothing that a statement can be given.")
    return oids, values


def arrays(columns: str, rows: Sequence[Sequence[Any]]) -> list[bytes | None]:
    """Columns of rows as arrays in binary form: dimensions, nulls, element type, length, lower bound, elements."""
    found: list[bytes | None] = []
    count = len(rows)
    for kind, values in zip(_kinds(columns), zip(*rows, strict=True), strict=True):
        head = _HEAD.pack(1, 1, _TYPES[kind][1], count, 1)
        # Of many rows some columns say the same in each.
        same = values.count(values[0]) == count
        elements = _elements(kind, values[:1]) * count if same else _elements(kind, values)
        found.append(b"".join((head, *elements)))
    return found


@lru_cache(maxsize=256)
def _kinds(columns: str) -> tuple[str, ...]:
    return tuple(column.split(":")[1] for column in columns.split())


def _elements(kind: str, values: Sequence[Any]) -> list[bytes]:
    """Each behind its length."""
    if kind == "int":
        pack = _INT.pack
        return [_NULL if value is None else pack(8, value) for value in values]
    made: list[bytes] = []
    length = _LENGTH.pack
    for value in values:
        if value is None:
            made.append(_NULL)
        else:
            raw = value.encode() if kind == "text" else bytes(value)
            made += (length(len(raw)), raw)
    return made
