"""The auditor: triggers in the database itself, which know nothing of the engine, say what no commit may do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from simulated_loop import current_host
from simulated_store import Database

from hub.model.execution import LEGAL_MOVES
from hub.store.committing import Operation

_ILLEGAL = " OR ".join(
    f"(OLD.status = '{before}' AND NEW.status IN ({', '.join(repr(str(after)) for after in after_all)}))"
    for before, moves in LEGAL_MOVES.items()
    if (after_all := [after for after in LEGAL_MOVES if after not in moves and after is not before])
)

_NOT_THE_OWNER = (
    "{} ON checkpoints WHEN (SELECT owner FROM executions WHERE id = NEW.execution_id) IS NOT audit_host() "
    "AND NOT EXISTS (SELECT 1 FROM waits WHERE execution_id = NEW.execution_id AND path = NEW.path)"
)

_TRIGGERS = {
    "an execution made an illegal move": f"UPDATE OF status ON executions WHEN {_ILLEGAL}",
    "an epoch went down": "UPDATE OF epoch ON executions WHEN NEW.epoch < OLD.epoch",
    "a claim left the epoch as it was": (
        "UPDATE ON executions WHEN NEW.owner IS NOT NULL AND NEW.owner IS NOT OLD.owner AND NEW.epoch <= OLD.epoch"
    ),
    "an execution was claimed from a node whose lease holds": (
        "UPDATE OF due_at ON executions WHEN OLD.status = 'RUNNING' AND NEW.status = 'RUNNING' AND OLD.due_at IS NULL "
        "AND NEW.due_at IS NOT NULL AND EXISTS (SELECT 1 FROM nodes WHERE id = OLD.owner AND lease_until > audit_now())"
        " AND OLD.owner IS NOT audit_host()"
    ),
    "what has ended went on": (
        "UPDATE ON executions WHEN OLD.status IN ('SUCCESS', 'CANCELED') AND (NEW.status IS NOT OLD.status "
        "OR NEW.result IS NOT OLD.result)"
    ),
    "a stored result was changed": (
        "UPDATE ON checkpoints WHEN OLD.status = 'SUCCESS' AND (NEW.status <> 'SUCCESS' OR NEW.result IS NOT OLD.result)"
    ),
    "an older claim wrote a checkpoint": (
        "UPDATE OF status, result, error, attempts ON checkpoints WHEN NEW.status <> 'WAITING' "
        "AND NEW.epoch < (SELECT epoch FROM executions WHERE id = NEW.execution_id) AND NOT EXISTS "
        "(SELECT 1 FROM waits WHERE execution_id = NEW.execution_id AND path = NEW.path)"
    ),
    "a node that does not hold it wrote a checkpoint": _NOT_THE_OWNER.format(
        "UPDATE OF status, result, error, attempts"
    ),
    "a node that does not hold it made a checkpoint": (
        # A fork is given what another one had done, before anybody has claimed it.
        _NOT_THE_OWNER.format("INSERT")
        + " AND NOT EXISTS (SELECT 1 FROM executions WHERE id = NEW.execution_id AND forked_from IS NOT NULL AND attempts = 0)"
    ),
    "a node that does not hold it ended an execution": (
        "UPDATE OF status ON executions WHEN OLD.status = 'RUNNING' AND NEW.status IN ('SUCCESS', 'FAILED', 'WAITING') "
        "AND OLD.owner IS NOT audit_host()"
    ),
    "tries were counted back": "UPDATE OF attempts ON checkpoints WHEN NEW.attempts < OLD.attempts",
    "a wait ended twice": (
        "UPDATE ON waits WHEN OLD.state <> 'WAITING' AND (NEW.state IS NOT OLD.state OR NEW.resolved_by IS NOT OLD.resolved_by)"
    ),
    "a wait ended before its time": (
        "UPDATE OF state ON waits WHEN NEW.state = 'TIMED_OUT' AND OLD.deadline > audit_now()"
    ),
}


class Auditor:
    """Collects what was wrong in each commit that held."""

    def __init__(self, database: Database, now: Callable[[], int], found: Callable[[str], None]) -> None:
        self._database = database
        self.found = found
        self._pending: list[str] = []
        raw = database.raw
        if raw is None:  # only the limits are looked at then
            return
        raw.create_function("audit", 2, self._note)
        raw.create_function("audit_now", 0, now)
        raw.create_function("audit_host", 0, _host_name)
        for number, (name, when) in enumerate(_TRIGGERS.items()):
            which = "NEW.execution_id || '/' || NEW.path" if " ON executions " not in when else "NEW.id"
            raw.execute(
                f"CREATE TEMP TRIGGER IF NOT EXISTS audit_{number} AFTER {when} "
                f"BEGIN SELECT audit('{name}', {which}); END"
            )

    def before(self) -> None:
        self._pending.clear()

    def after(self, batch: Sequence[Operation]) -> None:
        verbs = "+".join(operation.verb.name for operation in batch)
        for one in self._pending:
            self.found(f"{one}, by {verbs}")
        self._pending.clear()
        self._check_limits(verbs)

    #: (workflow, how many at once, for each key)
    limits: Sequence[tuple[str, int, bool]] = ()

    def _check_limits(self, verbs: str) -> None:
        if "claim" not in verbs:
            return
        for workflow, most, by_key in self.limits:
            grouped = "concurrency_key" if by_key else "''"
            for key, count in self._database.rows(
                f"SELECT {grouped}, count(*) FROM executions WHERE workflow = ? AND status = 'RUNNING' "
                "AND due_at IS NULL GROUP BY 1",
                workflow,
            ):
                if count > most:
                    self.found(f"{count} executions of {workflow} run at once with the key {key!r}")

    def _note(self, what: str, which: str) -> None:
        self._pending.append(f"{what}: {which}")


def _host_name() -> str:
    """Whose batch is being committed."""
    host = current_host()
    return "" if host is None else host.name
