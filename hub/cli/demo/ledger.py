"""What became of everything, beside what should have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hub.model.event import Delivery, Outcome
from hub.model.execution import ExecutionRecord, Status


@dataclass(frozen=True, slots=True)
class Happening:
    """One occurrence and its end."""

    what: str
    executor: str
    #: The delivery's outcome; "refused" or "repeated" for a request that became no delivery of its own.
    outcome: str
    reason: str
    execution_id: str | None = None
    #: The execution's status and result; None when nothing was started.
    status: str | None = None
    result: Any = None


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must be so."""

    what: str
    ok: bool
    #: What was found instead; "" when it is so.
    found: str = ""


@dataclass(frozen=True, slots=True)
class Resumption:
    """An execution whose server was killed. Jobs by their paths."""

    execution_id: str
    killed_pid: int
    signal: int
    #: Finished and stored when the server was killed.
    finished_before: list[str]
    #: Of those, the ones whose stored result was used.
    not_run_again: list[str]
    #: What ran after the restart, and the tries that it has had.
    ran_after: dict[str, int]
    status: str


@dataclass(slots=True)
class Ledger:
    """Filled by the acts of the story."""

    happenings: list[Happening] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    resumption: Resumption | None = None
    #: {slot, received_at, late_ms, live}.
    schedule: dict[str, Any] | None = None

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.checks if not check.ok]

    def check(self, what: str, ok: bool, found: str = "") -> bool:
        self.checks.append(Check(what, ok, "" if ok else found))
        return ok

    def met(self, what: str, delivery: Delivery, record: ExecutionRecord | None, expected: Outcome) -> bool:
        """An event met an executor, and started the execution, if any. Whether that was expected, and went well."""
        status = None if record is None else record.status.value
        result = None if record is None else record.result
        self.happenings.append(
            Happening(
                what,
                delivery.executor,
                delivery.outcome.value,
                delivery.reason,
                delivery.execution_id,
                status,
                result,
            )
        )
        good = delivery.outcome is expected and (record is None or record.status is Status.SUCCESS)
        ended = "" if record is None else f", its execution {status}: {record.error}"
        return self.check(
            f"{what} is {expected.value} at {delivery.executor}",
            good,
            f"it was {delivery.outcome.value} ({delivery.reason}){ended}",
        )

    def turned_away(self, what: str, executor: str, outcome: str, reason: str) -> None:
        """A request that became no delivery of its own."""
        self.happenings.append(Happening(what, executor, outcome, reason))
