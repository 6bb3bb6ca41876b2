"""Verbs of nodes: one lease a process, renewed by its heartbeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.store.dialects.base import Tx
from hub.store.verbs import Verb

#: Milliseconds after which a node that fell silent is forgotten.
_FORGOTTEN_AFTER = 86_400_000


@dataclass(frozen=True, slots=True)
class About:
    """What a node says of itself."""

    host: str
    pid: int
    #: Of the executors and workflows that it has loaded; "": it has none of its own.
    revision: str = ""
    #: Where it listens; "": nowhere.
    address: str = ""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    node: str
    about: About
    now: int
    #: For how many milliseconds from now on the node may start effects.
    lease: int


@dataclass(frozen=True, slots=True)
class Farewell:
    """The node is going, or is known to be gone."""

    node: str


@dataclass(frozen=True, slots=True)
class LetGo:
    """What the store holds for a node and the node does not know of: an answer of the store has not reached it."""

    node: str
    #: Executions that the node does run.
    known: tuple[str, ...]
    now: int


def _beat(tx: Tx, items: Sequence[Heartbeat]) -> list[int]:
    """How many milliseconds the clock that all nodes share is ahead of the node's own."""
    answers = []
    for item in items:
        now, about = tx.clock(item.now), item.about
        tx.run(
            "INSERT INTO nodes (id, host, pid, started_at, lease_until, revision, address) VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until, revision = excluded.revision, "
            "address = excluded.address",
            (item.node, about.host, about.pid, now, now + item.lease, about.revision, about.address),
        )
        tx.run("DELETE FROM nodes WHERE lease_until < ?", (now - _FORGOTTEN_AFTER,))
        answers.append(now - item.now)
    return answers


def _ahead(tx: Tx, items: Sequence[int]) -> list[int]:
    """The same for who holds no lease, and gives the time that his own clock shows."""
    return [tx.clock(now) - now for now in items]


def _leave(tx: Tx, items: Sequence[Farewell]) -> list[None]:
    for item in items:
        tx.run("DELETE FROM nodes WHERE id = ?", (item.node,))
    return [None] * len(items)


def _drop_others(tx: Tx, items: Sequence[Farewell]) -> list[int]:
    """Forget every other node: this process alone holds the database."""
    return [tx.run("DELETE FROM nodes WHERE id <> ?", (item.node,)) for item in items]


def _let_go(tx: Tx, items: Sequence[LetGo]) -> list[int]:
    """Make such executions due at once. That is not counted as a crash."""
    answers = []
    for item in items:
        held = tx.rows(
            "SELECT id FROM executions WHERE status = 'RUNNING' AND owner = ? AND due_at IS NULL", (item.node,)
        )
        unknown = {execution for (execution,) in held} - set(item.known)
        for execution in sorted(unknown):
            tx.run(
                "UPDATE executions SET status = 'PENDING', owner = NULL, due_at = ?, "
                "reason = 'the store had not answered its worker' WHERE id = ? AND status = 'RUNNING'",
                (item.now, execution),
            )
        answers.append(len(unknown))
    return answers


BEAT: Verb[Heartbeat, int] = Verb("beat", _beat)
AHEAD: Verb[int, int] = Verb("ahead", _ahead)
LEAVE: Verb[Farewell, None] = Verb("leave", _leave)
LET_GO: Verb[LetGo, int] = Verb("let_go", _let_go, order=3)
ALONE: Verb[Farewell, int] = Verb("alone", _drop_others)
