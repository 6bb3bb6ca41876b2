"""Verbs of checkpoints and logs: what finished calls gave, marks of those under way, and lines that jobs wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hub.model.errors import Fenced
from hub.model.execution import Checkpoint, JobStatus, LogLine
from hub.store.contents import Content, keep, offloaded, whole
from hub.store.dialects.base import Bulk, Row, Tx
from hub.store.verbs import Mixed, Verb


class CallWrite(NamedTuple):
    """A call's state, under the claim that writes it."""

    execution_id: str
    epoch: int
    checkpoint: Checkpoint
    #: A large result; the checkpoint refers to it.
    content: Content | None = None


@dataclass(frozen=True, slots=True)
class Handled:
    """The caller caught this call's error and went on: the failure is final."""

    execution_id: str
    epoch: int
    path: str
    #: False: the caller caught it for a while and raised it again after all.
    caught: bool = True


@dataclass(frozen=True, slots=True)
class LogWrite:
    epoch: int
    line: LogLine


_COLUMNS = (
    "execution_id:text epoch:int path:text name:text status:text args:text args_hash:text result:text error:text "
    "attempts:int handled:int started_at:int finished_at:int call_number:int"
)
_FENCED_INSERT = (
    "INSERT INTO checkpoints (execution_id, epoch, path, name, status, args, args_hash, result, error, attempts, handled, "
    "started_at, finished_at, call_number) "
    "SELECT v.execution_id, v.epoch, v.path, v.name, v.status, v.args, v.args_hash, v.result, v.error, v.attempts, "
    "v.handled, v.started_at, v.finished_at, v.call_number FROM v "
    "JOIN held e ON e.id = v.execution_id AND e.epoch = v.epoch AND e.status = 'RUNNING' WHERE true "
    "ON CONFLICT (execution_id, path) DO UPDATE SET epoch = excluded.epoch, status = excluded.status, "
    "args = excluded.args, args_hash = excluded.args_hash, result = excluded.result, error = excluded.error, "
    "attempts = excluded.attempts, handled = excluded.handled, started_at = excluded.started_at, "
    "finished_at = excluded.finished_at, call_number = excluded.call_number WHERE "
)

#: A stored success is final.
_FINISH = Bulk(_COLUMNS, _FENCED_INSERT + "checkpoints.status <> 'SUCCESS'")

#: A mark never covers what the same try has already stored.
_MARK = Bulk(
    _COLUMNS,
    _FENCED_INSERT + "checkpoints.status <> 'SUCCESS' AND "
    "(checkpoints.epoch < excluded.epoch OR checkpoints.attempts < excluded.attempts)",
)

_HANDLED = Bulk(
    "execution_id:text epoch:int path:text caught:int",
    "UPDATE checkpoints SET handled = v.caught FROM v, held e WHERE checkpoints.execution_id = v.execution_id "
    "AND checkpoints.path = v.path AND e.id = v.execution_id AND e.epoch = v.epoch AND e.status = 'RUNNING'",
)

_LOG = Bulk(
    "execution_id:text epoch:int path:text at:int level:text message:text",
    "INSERT INTO logs (execution_id, path, at, level, message) "
    "SELECT v.execution_id, v.path, v.at, v.level, v.message FROM v "
    "JOIN held e ON e.id = v.execution_id AND e.epoch = v.epoch",
)


def read_checkpoints(tx: Tx, execution_id: str) -> list[Checkpoint]:
    """All calls of an execution, in the order in which they began."""
    rows = tx.rows(
        "SELECT path, name, status, args, args_hash, result, error, attempts, handled, started_at, finished_at, epoch, "
        "call_number FROM checkpoints WHERE execution_id = ? ORDER BY started_at, call_number, path",
        (execution_id,),
    )
    return [checkpoint((*row[:5], whole(tx, row[5]), *row[6:])) for row in rows]


def checkpoint(row: Row) -> Checkpoint:
    path, name, status, args, args_hash, result, error, attempts, handled, started_at, finished_at, epoch, number = row
    return Checkpoint(
        path,
        name,
        JobStatus(status),
        args,
        args_hash,
        result,
        error,
        attempts,
        bool(handled),
        started_at,
        finished_at,
        epoch,
        number,
    )


def finish_calls(tx: Tx, items: Sequence[CallWrite]) -> list[Exception | None]:
    """Store what calls gave, each under its claim's epoch."""
    written = tx.bulk_count(_FINISH, [_row(item) for item in items])
    if written not in (0, len(items)):
        raise Mixed
    if not written:
        return [Fenced(item.execution_id) for item in items]
    for item in items:
        if item.content is not None:
            keep(tx, [item.content], item.checkpoint.finished_at or 0)
    return [None] * len(items)


def packed(write: CallWrite) -> CallWrite:
    """As it is written: a large result is kept apart."""
    result, content = offloaded(write.checkpoint.result)
    if content is None:
        return write
    return write._replace(checkpoint=write.checkpoint._replace(result=result), content=content)


def _mark(tx: Tx, items: Sequence[CallWrite]) -> list[None]:
    tx.put(_MARK, [_row(item) for item in items])
    return [None] * len(items)


def _begin(tx: Tx, items: Sequence[CallWrite]) -> list[Exception | None]:
    """A try counted durably before it begins. Calls that failed for good in the last one run again."""
    answers = finish_calls(tx, items)
    for item, answer in zip(items, answers, strict=True):
        if answer is None and item.checkpoint.attempts > 1:
            tx.run(
                "UPDATE checkpoints SET epoch = -1 WHERE execution_id = ? AND path > ? AND path < ? "
                "AND status = 'FAILED' AND handled = 0",
                (item.execution_id, f"{item.checkpoint.path}/", f"{item.checkpoint.path}0"),  # "0" follows "/"
            )
    return answers


def _handle(tx: Tx, items: Sequence[Handled]) -> list[None]:
    tx.put(_HANDLED, [(item.execution_id, item.epoch, item.path, int(item.caught)) for item in items])
    return [None] * len(items)


def _log(tx: Tx, items: Sequence[LogWrite]) -> list[None]:
    rows = [
        (item.line.execution_id, item.epoch, item.line.path, item.line.at, item.line.level, _kept(item.line.message))
        for item in items
    ]
    tx.put(_LOG, rows)
    return [None] * len(items)


def _kept(message: str) -> str:
    """NUL as a picture of it: not every database can hold the character itself."""
    return message.replace("\0", "\u2400") if "\0" in message else message


def _row(item: CallWrite) -> Row:
    call = item.checkpoint
    return (
        item.execution_id,
        item.epoch,
        call.path,
        call.name,
        call.status.value,
        call.args,
        call.args_hash,
        call.result,
        call.error,
        call.attempts,
        int(call.handled),
        call.started_at,
        call.finished_at,
        call.number,
    )


CHECKPOINT: Verb[CallWrite, None] = Verb("checkpoint", finish_calls, order=1)
BEGIN: Verb[CallWrite, None] = Verb("begin", _begin)
MARK: Verb[CallWrite, None] = Verb("mark", _mark)
HANDLED: Verb[Handled, None] = Verb("handled", _handle)
LOG: Verb[LogWrite, None] = Verb("log", _log)
