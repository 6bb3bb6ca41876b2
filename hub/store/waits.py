"""Verbs of those who wait: open a wait, which sees at once what came before it, and park the execution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hub.model.call_errors import call_error
from hub.model.errors import ExecutionNotFound, Fenced
from hub.model.wait import WaitAnswer, WaitKind, WaitRequest, WaitState
from hub.store.contents import whole
from hub.store.dialects.base import Tx
from hub.store.fence import claim_stands
from hub.store.verbs import Verb
from hub.store.wait_endings import Ending, deadline_passed, end_of_other, end_wait


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


def _wait(tx: Tx, items: Sequence[WaitRequest]) -> list[WaitAnswer | Exception]:
    for name in sorted({item.key for item in items if item.kind is WaitKind.SIGNAL}):
        tx.lock(signal_lock(name))
    # Children before parents: the end of a child takes them in this order too.
    tx.hold([item.key for item in items if item.kind is WaitKind.EXECUTION])
    tx.hold([item.execution_id for item in items])
    answers = [_wait_one(tx, item) for item in items]
    return [
        replace(answer, result=whole(tx, answer.result)) if isinstance(answer, WaitAnswer) else answer
        for answer in answers
    ]


def signal_lock(name: str) -> str:
    """The lock under which signals of this name meet those who wait for them."""
    return f"signal {name}"


def _wait_one(tx: Tx, item: WaitRequest) -> WaitAnswer | Exception:
    """Open the wait unless it is there, and look at once whether it has ended: what came first counts."""
    if not claim_stands(tx, item.execution_id, item.epoch):
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
        return _stored_answer(tx, item, WaitState(found[0][0]))
    else:
        deadline = found[0][1]
    ending = _find_ending(tx, item)
    if ending is None and deadline is not None and deadline <= item.now:
        ending = deadline_passed(item.path, item.name, item.default, item.now)
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


def _stored_answer(tx: Tx, item: WaitRequest, state: WaitState) -> WaitAnswer:
    result, error = tx.rows(
        "SELECT result, error FROM checkpoints WHERE execution_id = ? AND path = ?", (item.execution_id, item.path)
    )[0]
    return WaitAnswer(state, result, error)


def _find_ending(tx: Tx, item: WaitRequest) -> Ending | None:
    """What is there already for a wait that is open."""
    match item.kind:
        case WaitKind.POINT:
            rows = tx.rows(
                "DELETE FROM answers WHERE execution_id = ? AND key = ? RETURNING result, by",
                (item.execution_id, item.key),
            )
            return Ending(WaitState.RESOLVED, item.now, result=rows[0][0], by=rows[0][1]) if rows else None
        case WaitKind.SIGNAL:
            return _take_sent_signal(tx, item)
        case WaitKind.EXECUTION:
            rows = tx.rows("SELECT status, result, error FROM executions WHERE id = ?", (item.key,))
            return end_of_other(rows[0], item.key, item.now) if rows else _unknown_execution(item)
        case WaitKind.SLEEP | WaitKind.RETRY | WaitKind.OUTCOME:
            return None


def _take_sent_signal(tx: Tx, item: WaitRequest) -> Ending | None:
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


def _unknown_execution(item: WaitRequest) -> Ending:
    """There is none of that id, or it was forgotten: nothing would ever end the wait."""
    error = call_error(ExecutionNotFound, f'there is no execution "{item.key}".', job=item.name, path=item.path)
    return Ending(WaitState.RESOLVED, item.now, error=error)


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


WAIT: Verb[WaitRequest, WaitAnswer] = Verb("wait", _wait, order=1)
PARK: Verb[Park, bool] = Verb("park", _park, rings=("executions",), order=2)
