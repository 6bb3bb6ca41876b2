"""Verbs of waiting: wait, park, resolve, signal.

Whatever ends a wait (an answer, its deadline, a signal, the end of another execution) is written by one transaction, so the
store says which came first. It leaves the call's checkpoint as if the call had just finished, and makes a parked
execution due.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hub.model.errors import Conflict, ExecutionNotFound, Fenced
from hub.model.execution import ENDED, Status
from hub.model.wait import Resolution, Signal, WaitAnswer, WaitKind, WaitRequest, WaitState
from hub.store.choices import close_choice
from hub.store.contents import whole
from hub.store.dialects.base import Row, Tx
from hub.store.verbs import Verb

_MOST_NAMED = 500


@dataclass(frozen=True, slots=True)
class Park:
    """An execution has nothing to do until one of its waits ends."""

    execution_id: str
    epoch: int
    at: int
    #: Paths of the waits that were open when it decided so.
    open_waits: tuple[str, ...]
    #: The sentence for "why does it wait?".
    reason: str
    #: When the execution as a whole has to end; None: no limit.
    deadline: int | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a wait ends, and what its call gives."""

    state: WaitState
    now: int
    result: str | None = None
    error: str | None = None
    by: str | None = None
    #: The call is not over: it is made again, or goes on.
    suspends: bool = False


def timed_out(path: str, name: str) -> str:
    """The failure of a wait that has no default."""
    return json.dumps(
        {
            "type": "WaitTimeout",
            "message": f"nobody answered {name} in time",
            "job": name,
            "path": path,
            "class": "hub.model.errors:WaitTimeout",
        }
    )


def _wait(tx: Tx, items: Sequence[WaitRequest]) -> list[WaitAnswer | Exception]:
    for name in sorted({item.key for item in items if item.kind is WaitKind.SIGNAL}):
        tx.lock(_signal(name))
    # Children before parents: the end of a child takes them in this order too.
    tx.hold([item.key for item in items if item.kind is WaitKind.EXECUTION])
    tx.hold([item.execution_id for item in items])
    answers = [_wait_one(tx, item) for item in items]
    return [
        replace(answer, result=whole(tx, answer.result)) if isinstance(answer, WaitAnswer) else answer
        for answer in answers
    ]


def _signal(name: str) -> str:
    """The lock under which signals of this name meet those who wait for them."""
    return f"signal {name}"


def _wait_one(tx: Tx, item: WaitRequest) -> WaitAnswer | Exception:
    """Open the wait unless it is there, and look at once whether it has ended: what came first counts."""
    if not tx.rows(
        "SELECT 1 FROM executions WHERE id = ? AND epoch = ? AND status = 'RUNNING'", (item.execution_id, item.epoch)
    ):
        return Fenced(item.execution_id)
    if item.again:
        tx.run(
            "DELETE FROM waits WHERE execution_id = ? AND path = ? AND state <> 'WAITING'",
            (item.execution_id, item.path),
        )
    found = tx.rows(
        "SELECT state, deadline FROM waits WHERE execution_id = ? AND path = ?", (item.execution_id, item.path)
    )
    if not found:
        _open(tx, item)
        deadline = item.deadline
    elif found[0][0] != WaitState.WAITING:
        return _ended(tx, item, WaitState(found[0][0]))
    else:
        deadline = found[0][1]
    ending = _what_came(tx, item)
    if ending is None and deadline is not None and deadline <= item.now:
        ending = _deadline(item.path, item.name, item.default, item.now)
        ending = replace(ending, suspends=item.kind is WaitKind.RETRY)
    if ending is None:
        return WaitAnswer(WaitState.WAITING, deadline=deadline)
    end_wait(tx, item.execution_id, item.path, ending)
    return WaitAnswer(ending.state, ending.result, ending.error)


def _open(tx: Tx, item: WaitRequest) -> None:
    tx.run(
        "INSERT INTO waits (execution_id, path, name, kind, key, args, state, deadline, default_result, created_at, permission) "
        "VALUES (?, ?, ?, ?, ?, ?, 'WAITING', ?, ?, ?, ?)",
        (
            item.execution_id,
            item.path,
            item.name,
            item.kind.value,
            item.key,
            item.args,
            item.deadline,
            item.default,
            item.now,
            item.permission,
        ),
    )
    tx.run(
        "INSERT INTO checkpoints (execution_id, path, name, status, args, args_hash, error, attempts, handled, epoch, "
        "started_at, call_number) VALUES (?, ?, ?, 'WAITING', ?, ?, ?, ?, 0, ?, ?, ?) ON CONFLICT (execution_id, path) "
        "DO UPDATE SET status = 'WAITING', result = NULL, error = excluded.error, attempts = excluded.attempts, "
        "epoch = excluded.epoch, finished_at = NULL",
        (
            item.execution_id,
            item.path,
            item.name,
            item.args,
            item.args_hash,
            item.trouble,
            item.attempts,
            item.epoch,
            item.now,
            item.number,
        ),
    )


def _ended(tx: Tx, item: WaitRequest, state: WaitState) -> WaitAnswer:
    result, error = tx.rows(
        "SELECT result, error FROM checkpoints WHERE execution_id = ? AND path = ?", (item.execution_id, item.path)
    )[0]
    return WaitAnswer(state, result, error)


def _what_came(tx: Tx, item: WaitRequest) -> Ending | None:
    """What is there already for a wait that is open."""
    match item.kind:
        case WaitKind.POINT:
            rows = tx.rows(
                "DELETE FROM answers WHERE execution_id = ? AND key = ? RETURNING result, by",
                (item.execution_id, item.key),
            )
            return Ending(WaitState.RESOLVED, item.now, result=rows[0][0], by=rows[0][1]) if rows else None
        case WaitKind.SIGNAL:
            return _signal_that_came(tx, item)
        case WaitKind.EXECUTION:
            rows = tx.rows("SELECT status, result, error FROM executions WHERE id = ?", (item.key,))
            return _end_of_other(rows[0], item.key, item.now) if rows else _no_other(item)
        case WaitKind.SLEEP | WaitKind.RETRY | WaitKind.OUTCOME:
            return None


def _signal_that_came(tx: Tx, item: WaitRequest) -> Ending | None:
    rows = tx.rows(
        "SELECT id, payload, to_all FROM signals WHERE name = ? AND taken_by IS NULL "
        "AND (execution_id IS NULL OR execution_id = ?) AND (to_all = 0 OR sent_at >= ?) AND sent_at >= ? "
        "AND NOT EXISTS (SELECT 1 FROM waits w WHERE w.execution_id = ? AND w.resolved_by = signals.id) "
        "ORDER BY sent_at, id LIMIT 1",
        (
            item.key,
            item.execution_id,
            item.now if item.look_back is None else item.look_back,
            0 if item.look_back is None else item.look_back,
            item.execution_id,
        ),
    )
    if not rows:
        return None
    identifier, payload, to_all = rows[0]
    if not to_all:
        tx.run("UPDATE signals SET taken_by = ? WHERE id = ?", (item.execution_id, identifier))
    return Ending(WaitState.RESOLVED, item.now, result=payload, by=identifier)


def _no_other(item: WaitRequest) -> Ending:
    """There is none of that id, or it was forgotten: nothing would ever end the wait."""
    error = {
        "type": "ExecutionNotFound",
        "message": f'there is no execution "{item.key}".',
        "job": item.name,
        "path": item.path,
        "class": "hub.model.errors:ExecutionNotFound",
    }
    return Ending(WaitState.RESOLVED, item.now, error=json.dumps(error))


def _end_of_other(row: Row, execution_id: str, now: int) -> Ending | None:
    """What the end of another execution is to the one that waits for it; None: it goes on."""
    status, result, error = row
    if status not in ENDED:
        return None
    if status == Status.SUCCESS:
        return Ending(WaitState.RESOLVED, now, result=result or "null", by=execution_id)
    if error is None:
        error = json.dumps(
            {"type": "ExecutionCanceled", "message": f"execution {execution_id} was canceled", "job": "", "path": ""}
        )
    return Ending(WaitState.RESOLVED, now, error=error, by=execution_id)


def _deadline(path: str, name: str, default: str | None, now: int) -> Ending:
    if default is None:
        return Ending(WaitState.TIMED_OUT, now, error=timed_out(path, name))
    return Ending(WaitState.TIMED_OUT, now, result=default)


def end_wait(tx: Tx, execution_id: str, path: str, ending: Ending) -> bool:
    """End an open wait, and make its execution due if it is parked. False: somebody else has ended it."""
    tx.hold([execution_id])
    ended = tx.rows(
        "UPDATE waits SET state = ?, resolved_at = ?, resolved_by = ? WHERE execution_id = ? AND path = ? AND state = 'WAITING' "
        "RETURNING choice",
        (ending.state.value, ending.now, ending.by, execution_id, path),
    )
    if not ended:
        return False
    if ending.suspends:
        tx.run("UPDATE checkpoints SET status = 'SUSPEND' WHERE execution_id = ? AND path = ?", (execution_id, path))
    else:
        status = "SUCCESS" if ending.error is None else "FAILED"
        tx.run(
            "UPDATE checkpoints SET status = ?, result = ?, error = ?, finished_at = ? WHERE execution_id = ? AND path = ?",
            (status, ending.result, ending.error, ending.now, execution_id, path),
        )
    if ended[0][0] is not None:
        close_choice(tx, execution_id, ended[0][0], path, ending.now)
    tx.run("UPDATE executions SET due_at = ? WHERE id = ? AND status = 'WAITING'", (ending.now, execution_id))
    return True


def end_waits_for_all(tx: Tx, ended: Sequence[str], now: int) -> None:
    """These executions have ended: so have the waits for them."""
    for start in range(0, len(ended), _MOST_NAMED):
        part = ended[start : start + _MOST_NAMED]
        marks = ", ".join("?" * len(part))
        waited_for = tx.rows(
            f"SELECT DISTINCT key FROM waits WHERE kind = 'execution' AND state = 'WAITING' AND key IN ({marks})", part
        )
        for (execution_id,) in waited_for:
            end_waits_for(tx, execution_id, now)


def end_waits_for(tx: Tx, execution_id: str, now: int) -> int:
    """An execution has ended: so have the waits for it. How many those were."""
    row = tx.rows("SELECT status, result, error FROM executions WHERE id = ?", (execution_id,))[0]
    ending = _end_of_other(row, execution_id, now)
    if ending is None:
        return 0
    waiting = tx.rows(
        "SELECT execution_id, path FROM waits WHERE kind = 'execution' AND key = ? AND state = 'WAITING'",
        (execution_id,),
    )
    return sum(end_wait(tx, waiter, path, ending) for waiter, path in waiting)


def _park(tx: Tx, items: Sequence[Park]) -> list[bool | Exception]:
    """Let go of an execution until one of its waits ends. One that ended meanwhile makes it due at once."""
    answers: list[bool | Exception] = []
    tx.hold([item.execution_id for item in items])
    for item in items:
        open_now: dict[str, int | None] = dict(
            tx.rows(
                "SELECT path, deadline FROM waits WHERE execution_id = ? AND state = 'WAITING'", (item.execution_id,)
            )
        )
        still = [open_now[path] for path in item.open_waits if path in open_now]
        deadlines = [deadline for deadline in [*still, item.deadline] if deadline is not None]
        due = item.at if len(still) < len(item.open_waits) else min(deadlines, default=None)
        changed = tx.run(
            "UPDATE executions SET status = 'WAITING', owner = NULL, due_at = ?, reason = ? "
            "WHERE id = ? AND epoch = ? AND status = 'RUNNING'",
            (due, item.reason, item.execution_id, item.epoch),
        )
        answers.append(due is None or due > item.at if changed else Fenced(item.execution_id))
    return answers


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
            end_wait(tx, item.execution_id, path, _deadline(path, name, default, item.now))
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
        tx.lock(_signal(name))
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


WAIT: Verb[WaitRequest, WaitAnswer] = Verb("wait", _wait, order=1)
PARK: Verb[Park, bool] = Verb("park", _park, rings=("executions",), order=2)
RESOLVE: Verb[Resolution, WaitState] = Verb("resolve_wait", _resolve, rings=("executions", "answers"), order=3)
SIGNAL: Verb[Signal, int] = Verb("signal", _send, rings=("executions", "answers"), order=3)
