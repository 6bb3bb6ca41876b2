"""Verbs of nodes: one lease a process, renewed by its heartbeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.store.dialects.base import Tx
from hub.store.verbs import Verb


@dataclass(frozen=True, slots=True)
class Heartbeat:
    node: str
    host: str
    pid: int
    now: int
    #: For how many milliseconds from now on the node may start effects.
    lease: int


@dataclass(frozen=True, slots=True)
class Farewell:
    """The node is going, or is known to be gone."""

    node: str


def _beat(tx: Tx, items: Sequence[Heartbeat]) -> list[None]:
    for item in items:
        tx.run(
            "INSERT INTO nodes (id, host, pid, started_at, lease_until) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until",
            (item.node, item.host, item.pid, item.now, tx.clock(item.now) + item.lease),
        )
    return [None] * len(items)


def _leave(tx: Tx, items: Sequence[Farewell]) -> list[None]:
    for item in items:
        tx.run("DELETE FROM nodes WHERE id = ?", (item.node,))
    return [None] * len(items)


def _drop_others(tx: Tx, items: Sequence[Farewell]) -> list[int]:
    """Forget every other node: this process alone holds the database."""
    return [tx.run("DELETE FROM nodes WHERE id <> ?", (item.node,)) for item in items]


BEAT: Verb[Heartbeat, None] = Verb("beat", _beat)
LEAVE: Verb[Farewell, None] = Verb("leave", _leave)
ALONE: Verb[Farewell, int] = Verb("alone", _drop_others)
