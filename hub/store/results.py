"""Results that are kept beside what a job wrote, in the transaction of its writes: a crash leaves both, or neither.

They live in the user's database, in a table of the hub's that is made when it is first needed. A job that runs again
finds its result there and is not run; when two workers run it at once, only one of them commits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Table, Text, delete, inspect, select, text
from sqlalchemy.exc import DBAPIError

from hub.model.errors import Conflict

TABLE = "_hub_results"

_RESULTS = Table(
    TABLE,
    MetaData(),
    # Ids of executions begin with their time: the oldest are found by the primary key.
    Column("execution_id", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("args_hash", Text, nullable=False),
    #: Canonical JSON text.
    Column("result", Text, nullable=False),
)


class ResultKnown(BaseException):
    """Takes a job's stack down: its result was committed before, together with its writes.

    Not an Exception, so that `except Exception` in a job cannot swallow it.
    """

    def __init__(self, text: str) -> None:
        self.text = text


@dataclass(slots=True)
class JobResult:
    """One try of a call, as far as its result concerns the databases that it writes to."""

    execution_id: str
    path: str
    args_hash: str
    #: JSON text of a result, and the result as a replay would rebuild it. Raises what the job's shape raises.
    dump: Callable[[Any], tuple[str, Any]]
    #: Where an async job waits for the database; None: the loop's own threads.
    threads: Executor | None = None
    #: The result as it was committed; None: it was not.
    committed: str | None = None


def look_up(connection: Connection, job: JobResult) -> None:
    """Raise ResultKnown when the call's result is there, Conflict when it is that of other arguments."""
    if not inspect(connection).has_table(TABLE):
        return
    row = connection.execute(
        select(_RESULTS.c.args_hash, _RESULTS.c.result).where(
            _RESULTS.c.execution_id == job.execution_id, _RESULTS.c.path == job.path
        )
    ).first()
    if row is None:
        return
    if row.args_hash != job.args_hash:
        raise Conflict(
            f"the call {job.path} of execution {job.execution_id} has committed its writes with other arguments than it "
            "is called with now. Start a new execution for the changed code."
        )
    raise ResultKnown(row.result)


def keep(connection: Connection, job: JobResult, result: str) -> None:
    """Store the call's result in the open transaction. Raises ResultKnown when another worker was first."""
    _create(connection)
    stored = connection.execute(
        text(
            f"INSERT INTO {TABLE} (execution_id, path, args_hash, result) VALUES (:execution_id, :path, :args_hash, :result) "
            "ON CONFLICT (execution_id, path) DO NOTHING"
        ),
        {"execution_id": job.execution_id, "path": job.path, "args_hash": job.args_hash, "result": result},
    )
    if stored.rowcount == 0:
        look_up(connection, job)


def _create(connection: Connection) -> None:
    if inspect(connection).has_table(TABLE):
        return
    try:
        with connection.begin_nested():
            _RESULTS.create(connection, checkfirst=True)
    except DBAPIError:
        # Somebody else may just have made it.
        if not inspect(connection).has_table(TABLE):
            raise


def executions_before(connection: Connection, before: str, after: str, limit: int) -> Sequence[str]:
    """Ids of executions with results here, between the two, in order."""
    if not inspect(connection).has_table(TABLE):
        return []
    column = _RESULTS.c.execution_id
    statement = select(column).distinct().where(column > after, column < before).order_by(column).limit(limit)
    return list(connection.scalars(statement))


def forget(connection: Connection, executions: Iterable[str]) -> int:
    """Delete the results of executions; how many there were."""
    return connection.execute(delete(_RESULTS).where(_RESULTS.c.execution_id.in_(list(executions)))).rowcount


def drop(connection: Connection) -> bool:
    """Remove the table; whether it was there."""
    there = bool(inspect(connection).has_table(TABLE))
    _RESULTS.drop(connection, checkfirst=True)
    return there
