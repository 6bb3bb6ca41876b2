"""The audit log: who changed what, written in the transaction that changes it, each record chained to the one before.

A record's hash covers the record and the hash before it. Whoever alters or removes one leaves a chain that does not hold
from there on. The end of the chain is kept apart, so that one that was shortened is found too.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Generic, TypeVar

from hub.model.audit import AuditCheck, AuditEntry, AuditRecord
from hub.model.values import canonical
from hub.store.dialects.base import Tx
from hub.store.verbs import Verb

T = TypeVar("T")
R = TypeVar("R")

#: What something is at this moment, in a word: an execution's status, an executor's state.
Look = Callable[[Tx], str | None]

_LONGEST = 1_000


@dataclass(frozen=True, slots=True)
class Audited(Generic[T, R]):
    """A verb's item, and what is told of it."""

    item: T
    entry: AuditEntry
    #: Asked before and after.
    look: Look | None = None
    #: What the verb's answer says of the state after it.
    told: Callable[[R], str | None] | None = None


@dataclass(frozen=True, slots=True)
class Made(Generic[R]):
    """What came of an audited verb, of which a record is written either way."""

    value: R | None
    error: Exception | None = None


def write_record(tx: Tx, record: AuditRecord) -> None:
    """Write one record at the end of the chain. The row of the chain's end is locked until the commit."""
    tx.run("INSERT INTO audit_head (id, number, hash) VALUES (1, 0, '') ON CONFLICT (id) DO NOTHING")
    number, before = tx.rows("UPDATE audit_head SET number = number + 1 WHERE id = 1 RETURNING number, hash")[0]
    record = replace(record, number=number, result=_short(record.result))
    record = replace(record, hash=chained(before, record))
    tx.run(
        "INSERT INTO audit (number, at, who, action, object, before, after, result, hash) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (number, *_fields(record), record.hash),
    )
    tx.run("UPDATE audit_head SET hash = ? WHERE id = 1", (record.hash,))


def chained(before: str, record: AuditRecord) -> str:
    """The hash of a record behind the hash of the one before."""
    return hashlib.sha256(f"{before}\n{canonical([record.number, *_fields(record)])}".encode()).hexdigest()


def check_chain(records: Sequence[AuditRecord], so_far: AuditCheck) -> AuditCheck:
    """Go on with the records that come next."""
    count, before = so_far.count, so_far.hash
    for record in records:
        count += 1
        if record.number != count:
            return AuditCheck(count, before, count, f"record {count} is missing.")
        if not hmac.compare_digest(record.hash.encode(), chained(before, record).encode()):
            return AuditCheck(count, before, count, f"record {count} is not what was written.")
        before = record.hash
    return AuditCheck(count, before)


@cache
def audited(verb: Verb[T, R]) -> Verb[Audited[T, R], Made[R]]:
    """The verb with its record in the same transaction. A verb that answers with an exception has written nothing."""

    def apply(tx: Tx, items: Sequence[Audited[T, R]]) -> list[Made[R]]:
        answers: list[Made[R]] = []
        for one in items:
            before = None if one.look is None else one.look(tx)
            (made,) = verb.apply(tx, [one.item])
            if isinstance(made, Exception):
                write_record(tx, _record(one.entry, str(made), before, before))
                answers.append(Made(None, made))
                continue
            after = None if one.look is None else one.look(tx)
            write_record(tx, _record(one.entry, "done", before, one.told(made) if one.told is not None else after))
            answers.append(Made(made))
        return answers

    return Verb(f"audited_{verb.name}", apply, verb.rings, verb.order)


def _record(entry: AuditEntry, result: str, before: str | None, after: str | None) -> AuditRecord:
    return AuditRecord(entry.at, entry.who, entry.action, entry.object, result, before, after)


def _record_alone(tx: Tx, items: Sequence[AuditRecord]) -> list[None]:
    for item in items:
        write_record(tx, item)
    return [None] * len(items)


def _fields(record: AuditRecord) -> tuple[int | str | None, ...]:
    return record.at, record.who, record.action, record.object, record.before, record.after, record.result


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


#: For what failed before it reached the store, and for what is changed outside of it.
RECORD: Verb[AuditRecord, None] = Verb("record", _record_alone, order=6)
