"""Executions, their states and the moves between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from hub.model.call_errors import call_error
from hub.model.pacing import Debounced, Rated


class Status(StrEnum):
    """Where an execution stands."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    PENDING_RETRY = "PENDING_RETRY"
    PENDING_RESUME = "PENDING_RESUME"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


ENDED = frozenset({Status.SUCCESS, Status.FAILED, Status.CANCELED})

#: Every move an execution may make. RUNNING to RUNNING is a rescue: another worker took over with a higher epoch.
LEGAL_MOVES: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.RUNNING, Status.CANCELED}),
    Status.RUNNING: frozenset(Status),
    Status.WAITING: frozenset({Status.RUNNING, Status.FAILED, Status.CANCELED}),
    Status.PENDING_RETRY: frozenset({Status.RUNNING, Status.PENDING_RESUME, Status.CANCELED}),
    Status.PENDING_RESUME: frozenset({Status.RUNNING, Status.CANCELED}),
    Status.SUCCESS: frozenset(),
    Status.FAILED: frozenset({Status.PENDING_RESUME}),
    Status.CANCELED: frozenset(),
}


class JobStatus(StrEnum):
    """Where one call of a job stands."""

    RUNNING = "RUNNING"
    SUSPEND = "SUSPEND"
    WAITING = "WAITING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What becomes an execution. All JSON is text already, so that nothing is encoded twice."""

    id: str
    workflow: str
    #: Canonical JSON text.
    args: str
    #: JSON text of the invoker's public shape; None: anonymous.
    invoker: str | None
    created_at: int
    #: Unique in the store when given: the second request gets the first one's execution.
    idempotency_key: str | None = None
    #: Cause, when an executor started it.
    executor: str | None = None
    event_id: str | None = None
    #: Who asked for it: "executor", "cli", "api", or "execution:ID".
    requested_by: str = ""
    #: The execution that started it as its child; a cancel of that one reaches it.
    parent_id: str | None = None
    #: Higher runs first among those that are due.
    priority: int = 0
    #: Executions of one workflow and key share `concurrency_policy`; "" is the workflow's own.
    concurrency_key: str = ""
    #: When it may begin; None: at once.
    due_at: int | None = None
    debounced: Debounced | None = None
    rated: Rated | None = None
    #: What to do while an execution of the same executor has not ended: a schedule's `overlap`.
    overlap: Literal["allow", "skip", "queue_one", "cancel_running"] = "allow"


@dataclass(frozen=True, slots=True)
class Started:
    """The answer to a `StartRequest`."""

    id: str
    created: bool
    status: Status


class Checkpoint(NamedTuple):
    """The stored state of one call: a job, a step, a wait. Several are made for each, so a tuple: a frozen dataclass takes
    four times as long.
    """

    #: Scope path, name and occurrence: "process-order/fetch-customer", the second one "…/fetch-customer#2".
    path: str
    name: str
    status: JobStatus
    #: Canonical JSON text of the arguments, and its hash.
    args: str
    args_hash: str
    #: JSON text; only with SUCCESS.
    result: str | None = None
    #: {type, message, job, path, …}; only with FAILED.
    error: str | None = None
    #: Tries so far, counted before each begins.
    attempts: int = 1
    #: A FAILED call whose error the caller caught: final, like a result. Others run again on retry and resume.
    handled: bool = False
    started_at: int = 0
    finished_at: int | None = None
    #: The claim under which it was last written; a FAILED one from before the present attempt runs again.
    epoch: int = 0
    #: Counts up in the order in which the execution made its calls; one that runs again counts anew.
    number: int = 0


def as_seen(calls: Iterable[Checkpoint], ended: Status | None) -> tuple[Checkpoint, ...]:
    """The calls as a person sees them. `ended`: how the execution did, if it has.

    A job under way that waits for calls of its own is SUSPEND, and what was under way when the execution ended is FAILED.
    Neither is stored: it would cost every call a write.
    """
    calls = tuple(calls)
    if ended is not None:
        return tuple(_cut_off(call, ended) if call.status in _OPEN else call for call in calls)
    callers = {call.path.rpartition("/")[0] for call in calls if call.status in _OPEN}
    return tuple(
        call._replace(status=JobStatus.SUSPEND) if call.status is JobStatus.RUNNING and call.path in callers else call
        for call in calls
    )


def _cut_off(call: Checkpoint, ended: Status) -> Checkpoint:
    kind, what = ("ExecutionCanceled", "canceled") if ended is Status.CANCELED else ("Interrupted", "over")
    message = f"the execution was {what} before this had ended"
    return call._replace(status=JobStatus.FAILED, error=call_error(kind, message, job=call.name, path=call.path))


_OPEN = frozenset({JobStatus.RUNNING, JobStatus.SUSPEND, JobStatus.WAITING})


@dataclass(frozen=True, slots=True)
class Claimed:
    """An execution leased to a worker, with all it needs to go on."""

    id: str
    workflow: str
    args: str
    invoker: str | None
    epoch: int
    #: The claim with which the present attempt began.
    base_epoch: int
    #: Tries of the whole execution, this one included.
    attempt: int
    #: Automatic retries used since it was started or resumed.
    retries: int
    #: Times in a row that a worker died with it and nothing new was stored.
    crashes: int
    revision: str | None
    created_at: int
    concurrency_key: str = ""
    #: When its first attempt began, or the first one since it was resumed.
    timed_from: int = 0
    #: The executor that started it.
    executor: str | None = None
    history: tuple[Checkpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Settled:
    """How a worker lets go of an execution."""

    execution_id: str
    epoch: int
    status: Status
    at: int
    result: str | None = None
    error: str | None = None
    #: When it is to be claimed again; None: not by time.
    due_at: int | None = None
    #: The sentence for "why does it wait?".
    reason: str | None = None
    retries: int = 0


@dataclass(frozen=True, slots=True)
class LogLine:
    execution_id: str
    path: str
    at: int
    level: str
    message: str


@dataclass(frozen=True, slots=True)
class ExecutionRecord:
    """An execution as people see it."""

    id: str
    workflow: str
    status: Status
    invoker: dict[str, Any] | None
    args: Any
    result: Any
    error: dict[str, Any] | None
    executor: str | None
    event_id: str | None
    attempts: int
    created_at: int
    started_at: int | None
    finished_at: int | None
    revision: str | None
    due_at: int | None = None
    reason: str | None = None
    requested_by: str = ""
    priority: int = 0
    concurrency_key: str = ""
    #: The execution that it was forked from, and the call from which on it does its own.
    forked_from: str | None = None
    forked_at: str | None = None
    jobs: tuple[Checkpoint, ...] = field(default_factory=tuple)
    #: The result is large, and this is a list: ask for the execution.
    result_left_out: bool = False
