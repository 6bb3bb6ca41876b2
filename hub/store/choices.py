"""The first of several waits: which one it was, and what becomes of the others.

The waits of a choice are bound together. Whatever ends one of them closes the rest in the same transaction, so that nothing
that comes later is taken by a wait that nobody listens to any more.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from hub.model.call_errors import call_error
from hub.model.errors import Fenced, NotChosen
from hub.model.values import canonical, parse
from hub.model.wait import Choice
from hub.store.dialects.base import Tx
from hub.store.fence import claim_stands
from hub.store.verbs import Verb


def not_chosen(path: str, name: str) -> str:
    """What a wait fails with that was not the first."""
    return call_error(NotChosen, f"{name} was not the first of several", job=name, path=path)


def close_choice(tx: Tx, execution_id: str, choice: str, chosen: str, now: int) -> None:
    """One of several has ended: it was the first. The others are dropped."""
    tx.run(
        "UPDATE checkpoints SET status = 'SUCCESS', result = ?, finished_at = ? WHERE execution_id = ? AND path = ?",
        (canonical(chosen), now, execution_id, choice),
    )
    others = tx.rows(
        "SELECT path, name FROM waits WHERE execution_id = ? AND choice = ? AND path <> ? AND state = 'WAITING'",
        (execution_id, choice, chosen),
    )
    for path, name in others:
        _drop(tx, execution_id, path, name, now)


def _drop(tx: Tx, execution_id: str, path: str, name: str, now: int) -> None:
    tx.run(
        "UPDATE waits SET state = 'DROPPED', resolved_at = ?, resolved_by = NULL WHERE execution_id = ? AND path = ?",
        (now, execution_id, path),
    )
    tx.run(
        "UPDATE checkpoints SET status = 'FAILED', result = NULL, error = ?, handled = 1, finished_at = ? "
        "WHERE execution_id = ? AND path = ?",
        (not_chosen(path, name), now, execution_id, path),
    )


def _choose(tx: Tx, items: Sequence[Choice]) -> list[str | Exception | None]:
    tx.hold([item.execution_id for item in items])
    return [_choose_one(tx, item) for item in items]


def _choose_one(tx: Tx, item: Choice) -> str | Exception | None:
    """Bind the waits together, and say which ended first; None: none has."""
    if not claim_stands(tx, item.execution_id, item.epoch):
        return Fenced(item.execution_id)
    stored = tx.rows(
        "SELECT status, result FROM checkpoints WHERE execution_id = ? AND path = ?", (item.execution_id, item.path)
    )
    if stored and stored[0][0] == "SUCCESS":
        chosen: str = parse(stored[0][1])
        return chosen
    if not stored:
        tx.run(
            "INSERT INTO checkpoints (execution_id, path, name, status, args, args_hash, attempts, handled, epoch, "
            "started_at, call_number) VALUES (?, ?, ?, 'WAITING', ?, ?, 1, 0, ?, ?, ?)",
            (
                item.execution_id,
                item.path,
                item.name,
                item.args,
                item.args_hash,
                item.epoch,
                item.now,
                item.number,
            ),
        )
    for path in item.alternatives:
        tx.run("UPDATE waits SET choice = ? WHERE execution_id = ? AND path = ?", (item.path, item.execution_id, path))
    ended = _ended(tx, item)
    if not ended:
        return None
    close_choice(tx, item.execution_id, item.path, ended[0], item.now)
    for path in ended[1:]:
        _take_back(tx, item, path)
    return ended[0]


def _ended(tx: Tx, item: Choice) -> list[str]:
    """Those that have ended, the earliest first; at the same moment in the order in which they were given."""
    found = []
    for place, path in enumerate(item.alternatives):
        rows = tx.rows(
            "SELECT finished_at, error FROM checkpoints WHERE execution_id = ? AND path = ? "
            "AND status IN ('SUCCESS', 'FAILED') AND finished_at IS NOT NULL",
            (item.execution_id, path),
        )
        if rows and (rows[0][1] is None or json.loads(rows[0][1])["type"] != NotChosen.__name__):
            found.append((rows[0][0], place, path))
    return [path for _, _, path in sorted(found)]


def _take_back(tx: Tx, item: Choice, path: str) -> None:
    """One that ended before they were bound together, and was not the first: what it took is there for others again."""
    rows = tx.rows(
        "SELECT w.name, w.kind, w.key, w.resolved_by, w.resolved_at, w.state, c.result FROM waits w "
        "JOIN checkpoints c ON c.execution_id = w.execution_id AND c.path = w.path "
        "WHERE w.execution_id = ? AND w.path = ?",
        (item.execution_id, path),
    )
    for name, kind, key, by, at, state, result in rows:
        if kind == "signal" and by is not None:
            tx.run("UPDATE signals SET taken_by = NULL WHERE id = ? AND taken_by = ?", (by, item.execution_id))
        if kind == "point" and state == "RESOLVED":
            tx.run(
                "INSERT INTO answers (execution_id, key, result, by, at) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (execution_id, key) DO NOTHING",
                (item.execution_id, key, result, by or "", at),
            )
        _drop(tx, item.execution_id, path, name, item.now)


CHOOSE: Verb[Choice, str | None] = Verb("choose", _choose, order=1)
