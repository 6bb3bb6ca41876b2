"""Verbs of going on after an end: resume under the same id, fork into a new execution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.model.errors import ExecutionNotFound
from hub.model.execution import Started, StartRequest, Status
from hub.store.dialects.base import Bulk, Tx
from hub.store.executions import insert_executions, unmoved
from hub.store.keys import RISEN, note_key
from hub.store.verbs import Verb

_MOST_LINE = 10_000


@dataclass(frozen=True, slots=True)
class Resumption:
    """A failed execution is to go on under its id."""

    execution_id: str
    at: int
    #: JSON text of another input; None: the one that it has.
    args: str | None = None
    #: The other input's.
    concurrency_key: str = ""


@dataclass(frozen=True, slots=True)
class Fork:
    """A new execution that is given calls of another one as its own."""

    request: StartRequest
    source: str
    #: The call of the source from which on the new one makes its own.
    at: str
    #: Paths of the finished calls that it is given.
    kept: tuple[str, ...]


#: What is copied has ended, so that no claim of the source can change it any more.
_COPY = Bulk(
    "source:text target:text path:text",
    "INSERT INTO checkpoints (execution_id, path, name, status, args, args_hash, result, error, attempts, handled, "
    "call_number, epoch, started_at, finished_at) "
    "SELECT v.target, c.path, c.name, c.status, c.args, c.args_hash, c.result, c.error, c.attempts, c.handled, "
    "c.call_number, 0, c.started_at, c.finished_at FROM v "
    "JOIN checkpoints c ON c.execution_id = v.source AND c.path = v.path WHERE true",
)


def _resume(tx: Tx, items: Sequence[Resumption]) -> list[Status | Exception]:
    """Let a failed execution go on under its id, with its finished calls."""
    answers: list[Status | Exception] = []
    tx.hold([item.execution_id for item in items if item.args is not None])
    for item in items:
        changed = tx.run(
            "UPDATE executions SET status = 'PENDING_RESUME', due_at = ?, retries = 0, error = NULL, finished_at = NULL, "
            "reason = NULL, crashes = 0 WHERE id = ? AND status IN ('FAILED', 'PENDING_RETRY')",
            (item.at, item.execution_id),
        )
        if changed and item.args is not None:
            _edit(tx, item)
        answers.append(Status.PENDING_RESUME if changed else unmoved(tx, item.execution_id, "resumed"))
    return answers


def _edit(tx: Tx, item: Resumption) -> None:
    """Another input, and a line that keeps the one before."""
    note_key(tx, item.execution_id)
    ((before,),) = tx.rows("SELECT args FROM executions WHERE id = ?", (item.execution_id,))
    tx.run(
        f"UPDATE executions SET args = ?, concurrency_key = ?, priority = {RISEN} WHERE id = ?",
        (item.args, item.concurrency_key, item.execution_id),
    )
    line = f"resumed with another input; before it was {before}"[:_MOST_LINE]
    tx.run(
        "INSERT INTO logs (execution_id, path, at, level, message) VALUES (?, '', ?, 'INFO', ?)",
        (item.execution_id, item.at, line),
    )


def _fork(tx: Tx, items: Sequence[Fork]) -> list[Started | Exception]:
    answers: list[Started | Exception] = []
    tx.hold([item.source for item in items])
    for item in items:
        if not tx.rows("SELECT 1 FROM executions WHERE id = ?", (item.source,)):
            answers.append(ExecutionNotFound(item.source))
            continue
        (started,) = insert_executions(tx, [item.request])
        if started.created:
            # As if it had been claimed before: its first claim looks for what it has done already.
            tx.run(
                "UPDATE executions SET forked_from = ?, forked_at = ?, epoch = 1 WHERE id = ?",
                (item.source, item.at, started.id),
            )
            tx.bulk_count(_COPY, [(item.source, started.id, path) for path in item.kept])
        answers.append(started)
    return answers


RESUME: Verb[Resumption, Status] = Verb("resume", _resume, rings=("executions",), order=3)
FORK: Verb[Fork, Started] = Verb("fork", _fork, rings=("executions",), order=3)
