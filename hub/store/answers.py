"""Verbs of those who are waited for: answer a wait point, send a signal."""

from __future__ import annotations

from collections.abc import Sequence

from hub.model.errors import Conflict, ExecutionNotFound
from hub.model.execution import ENDED
from hub.model.wait import Resolution, Signal, WaitState
from hub.store.dialects.base import Tx
from hub.store.verbs import Verb
from hub.store.wait_endings import Ending, deadline_passed, end_wait
from hub.store.waits import signal_lock


def _resolve(tx: Tx, items: Sequence[Resolution]) -> list[WaitState | Exception]:
    tx.hold([item.execution_id for item in items])
    return [_resolve_one(tx, item) for item in items]


def _resolve_one(tx: Tx, item: Resolution) -> WaitState | Exception:
    """Answer a wait point, once. An answer that comes before the question is kept for it."""
    found = tx.rows("SELECT status FROM executions WHERE id = ?", (item.execution_id,))
    if not found:
        return ExecutionNotFound(item.execution_id)
    waits = tx.rows(
        "SELECT path, name, state, deadline, default_result, resolved_by FROM waits "
        "WHERE execution_id = ? AND key = ? AND kind = 'point' "
        "ORDER BY CASE WHEN state = 'WAITING' THEN 0 ELSE 1 END, created_at, path",
        (item.execution_id, item.key),
    )
    if item.once and any(by == item.by for *_, by in waits):
        return WaitState.RESOLVED
    for path, name, state, deadline, default, _by in waits:
        if state != WaitState.WAITING:
            break
        if deadline is not None and deadline <= item.now:
            end_wait(tx, item.execution_id, path, deadline_passed(path, name, default, item.now))
            continue
        ending = Ending(WaitState.RESOLVED, item.now, result=item.result, by=item.by)
        end_wait(tx, item.execution_id, path, ending)
        return WaitState.RESOLVED
    if item.once and tx.rows(
        "SELECT 1 FROM answers WHERE execution_id = ? AND key = ? AND by = ?", (item.execution_id, item.key, item.by)
    ):
        return WaitState.WAITING
    if found[0][0] in ENDED:
        return Conflict(f"execution {item.execution_id} has ended ({found[0][0]}); nobody waits for an answer.")
    if waits:
        how = {WaitState.TIMED_OUT: "timed out", WaitState.DROPPED: "is not asked any more: another wait ended first"}
        ended = how.get(waits[-1][2], "was answered before")
        return Conflict(f'the wait point "{item.key}" of execution {item.execution_id} {ended}.')
    kept = tx.run(
        "INSERT INTO answers (execution_id, key, result, by, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (execution_id, key) DO NOTHING",
        (item.execution_id, item.key, item.result, item.by, item.now),
    )
    if not kept:
        return Conflict(f'the wait point "{item.key}" of execution {item.execution_id} was answered before.')
    return WaitState.WAITING


def _send(tx: Tx, items: Sequence[Signal]) -> list[int | Exception]:
    """Store a signal and end the waits that it is for; how many those were. Sent again under the same id it does nothing."""
    answers: list[int | Exception] = []
    for name in sorted({item.name for item in items}):
        tx.lock(signal_lock(name))
    for item in items:
        if not tx.run(
            "INSERT INTO signals (id, name, payload, to_all, execution_id, sent_at) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO NOTHING",
            (item.id, item.name, item.payload, int(item.to_all), item.execution_id, item.now),
        ):
            answers.append(0)
            continue
        waiting = tx.rows(
            "SELECT execution_id, path, deadline FROM waits WHERE kind = 'signal' AND key = ? AND state = 'WAITING' "
            "AND (deadline IS NULL OR deadline > ?) AND (CAST(? AS TEXT) IS NULL OR execution_id = ?) ORDER BY created_at, execution_id, path",
            (item.name, item.now, item.execution_id, item.execution_id),
        )
        reached = waiting if item.to_all else waiting[:1]
        for waiter, path, _deadline_of_it in reached:
            end_wait(tx, waiter, path, Ending(WaitState.RESOLVED, item.now, result=item.payload, by=item.id))
        if reached and not item.to_all:
            tx.run("UPDATE signals SET taken_by = ? WHERE id = ?", (reached[0][0], item.id))
        answers.append(len(reached))
    return answers


RESOLVE: Verb[Resolution, WaitState] = Verb("resolve_wait", _resolve, rings=("executions", "answers"), order=3)
SIGNAL: Verb[Signal, int] = Verb("signal", _send, rings=("executions", "answers"), order=3)
