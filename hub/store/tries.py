"""Verbs of wrong tries: counted for all nodes together, and remembered over a restart.

A count is an instant: each wrong try moves it on by what one costs, and time takes it back. A row whose instant has passed
says nothing and goes with the next write, so the table holds what was tried in the last few minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from hub.store.dialects.base import Tx
from hub.store.tables import TryRow
from hub.store.verbs import Verb


@dataclass(frozen=True, slots=True)
class WrongTry:
    #: Of what is counted: an address, or a name. Neither is stored as it is; what people type may be a password.
    digest: str
    at: int
    #: Milliseconds that one try takes to be forgotten, and that the count is ahead of now at most.
    cost: int
    most: int


@dataclass(frozen=True, slots=True)
class RightTry:
    #: Who was right, from where; and until when that counts.
    digest: str
    until: int
    #: The count that begins anew.
    forgiven: str


def _count_wrong(tx: Tx, items: Sequence[WrongTry]) -> list[None]:
    tx.run("DELETE FROM tries WHERE free_at < ?", (min(item.at for item in items),))
    for item in items:
        tx.run(
            "INSERT INTO tries (digest, free_at) VALUES (?, ?) ON CONFLICT (digest) DO UPDATE SET free_at = CASE "
            # Farther ahead than it can be: the clock was set back.
            "WHEN tries.free_at < ? OR tries.free_at > ? THEN ? WHEN tries.free_at > ? THEN ? "
            "ELSE tries.free_at + ? END",
            (
                item.digest,
                item.at + item.cost,
                item.at,
                item.at + item.most + item.cost,
                item.at + item.cost,
                item.at + item.most - item.cost,
                item.at + item.most,
                item.cost,
            ),
        )
    return [None] * len(items)


def _note_right(tx: Tx, items: Sequence[RightTry]) -> list[None]:
    for item in items:
        tx.run("DELETE FROM tries WHERE digest = ?", (item.forgiven,))
        tx.run(
            "INSERT INTO tries (digest, free_at) VALUES (?, ?) ON CONFLICT (digest) DO UPDATE SET free_at = excluded.free_at",
            (item.digest, item.until),
        )
    return [None] * len(items)


def tries(session: Session, digests: Sequence[str]) -> Mapping[str, int]:
    """The instants of those that there are."""
    return {row.digest: row.free_at for row in session.exec(select(TryRow).where(col(TryRow.digest).in_(digests)))}


WRONG_TRY: Verb[WrongTry, None] = Verb("wrong_try", _count_wrong)
RIGHT_TRY: Verb[RightTry, None] = Verb("right_try", _note_right)
