"""Verbs of refused deliveries: kept for a while, a few of each executor, so that a mended file can take them after all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from hub.store.dialects.base import Bulk, Tx
from hub.store.tables import RefusedRow
from hub.store.verbs import Verb

#: How many are kept of one executor, and of all together; the oldest go first.
MOST_OF_ONE = 100
MOST = 1_000
#: Bytes of a body that are kept. A longer one is cut, and can then only be looked at.
LARGEST_BODY = 65_536
KEPT_MS = 7 * 86_400_000


@dataclass(frozen=True, slots=True)
class RefusedDelivery:
    """A request whose proof or body did not hold."""

    executor: str
    received_at: int
    method: str
    #: Path and query without credentials.
    url: str
    #: Redacted, by lower-case name.
    headers: dict[str, Any]
    body: bytes
    #: Bytes that came; more than `body` holds when it was cut.
    size: int
    #: The step that failed, as a word, and why, in a sentence.
    step: str
    reason: str
    #: The head as it came, encrypted.
    sealed: bytes
    #: Counts up in order of arrival; given by the store.
    id: int = 0

    @property
    def whole(self) -> bool:
        return self.size == len(self.body)

    @property
    def lacking(self) -> str:
        """Why it cannot be checked again or let in, and what helps; "" where it is kept whole."""
        if self.whole:
            return ""
        kept = f"only {len(self.body):,} of its {self.size:,} bytes are kept" if self.body else "its body was not read"
        return f"{kept}, so it cannot be checked again or let in: mend what it failed at, and have its sender send it again"


_INSERT = Bulk(
    "executor:text received_at:int method:text url:text headers:text body:bytes size:int step:text reason:text sealed:bytes",
    "INSERT INTO refused (executor, received_at, method, url, headers, body, size, step, reason, sealed) "
    "SELECT executor, received_at, method, url, headers, body, size, step, reason, sealed FROM v WHERE true",
)


def _keep(tx: Tx, items: Sequence[RefusedDelivery]) -> list[None]:
    tx.put(_INSERT, [_row(item) for item in items])
    for name in {item.executor for item in items}:
        tx.run(
            "DELETE FROM refused WHERE executor = ? AND id <= "
            "(SELECT id FROM refused WHERE executor = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
            (name, name, MOST_OF_ONE),
        )
    tx.run("DELETE FROM refused WHERE id <= (SELECT id FROM refused ORDER BY id DESC LIMIT 1 OFFSET ?)", (MOST,))
    tx.run("DELETE FROM refused WHERE received_at < ?", (max(item.received_at for item in items) - KEPT_MS,))
    return [None for _ in items]


def _drop(tx: Tx, items: Sequence[int]) -> list[None]:
    for identifier in items:
        tx.run("DELETE FROM refused WHERE id = ?", (identifier,))
    return [None for _ in items]


def _row(item: RefusedDelivery) -> tuple[object, ...]:
    return (
        item.executor,
        item.received_at,
        item.method,
        item.url,
        json.dumps(item.headers),
        item.body,
        item.size,
        item.step,
        item.reason,
        item.sealed,
    )


def refused(session: Session, executor: str | None, limit: int) -> list[RefusedDelivery]:
    """Newest first; of one executor, or of all."""
    statement = select(RefusedRow).order_by(col(RefusedRow.id).desc()).limit(limit)
    if executor is not None:
        statement = statement.where(RefusedRow.executor == executor)
    return [delivery_refused(row) for row in session.exec(statement)]


def refused_one(session: Session, identifier: int) -> RefusedDelivery | None:
    row = session.get(RefusedRow, identifier)
    return None if row is None else delivery_refused(row)


def delivery_refused(row: RefusedRow) -> RefusedDelivery:
    return RefusedDelivery(
        row.executor,
        row.received_at,
        row.method,
        row.url,
        json.loads(row.headers),
        row.body,
        row.size,
        row.step,
        row.reason,
        row.sealed,
        row.id or 0,
    )


KEEP_REFUSED: Verb[RefusedDelivery, None] = Verb("keep_refused", _keep, order=9)
DROP_REFUSED: Verb[int, None] = Verb("drop_refused", _drop)
