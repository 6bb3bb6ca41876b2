"""Waits: what an execution can be parked on, and how each comes to its end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class WaitKind(StrEnum):
    """What ends a wait, besides its deadline."""

    #: Somebody answers a wait point.
    POINT = "point"
    #: Nothing: only time.
    SLEEP = "sleep"
    #: A signal of that name.
    SIGNAL = "signal"
    #: Another execution ends.
    EXECUTION = "execution"
    #: Nothing: the time until a job is tried again.
    RETRY = "retry"
    #: Somebody says what became of a job that may not be run again.
    OUTCOME = "outcome"


class WaitState(StrEnum):
    WAITING = "WAITING"
    RESOLVED = "RESOLVED"
    TIMED_OUT = "TIMED_OUT"
    #: Another one of several came first.
    DROPPED = "DROPPED"
    #: The call is to be made again.
    AGAIN = "AGAIN"


@dataclass(frozen=True, slots=True)
class Awaited:
    """What a wait is for."""

    kind: WaitKind
    #: What is answered to: the wait point's key, the signal's name, the other execution's id.
    key: str
    #: Canonical JSON text of what it is called with.
    args: str = "null"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a wait lasts at most, and what it gives then."""

    #: Milliseconds; None: for ever.
    within: int | None = None
    #: JSON text; None: it fails.
    default: str | None = None


@dataclass(frozen=True, slots=True)
class WaitRequest:
    """A call that waits, under the claim that makes it."""

    execution_id: str
    epoch: int
    path: str
    #: Name of the wait point or signal; "sleep"; the workflow of an execution.
    name: str
    kind: WaitKind
    #: What is answered to: the wait point's key, the signal's name, the other execution's id.
    key: str
    #: Canonical JSON text of what the call was made with, and its hash.
    args: str
    args_hash: str
    now: int
    #: When it ends by itself, milliseconds since 1970 UTC; None: never.
    deadline: int | None = None
    #: JSON text of what it then gives; None: it fails.
    default: str | None = None
    #: Signals sent since then count; None: those that nobody has taken.
    look_back: int | None = None
    #: It failed in an earlier attempt of the execution: ask anew.
    again: bool = False
    #: Permission that an answer needs beside `wait-point:resolve:NAME`; None: that is enough.
    permission: str | None = None
    #: The call's, see Checkpoint.
    number: int = 0
    attempts: int = 1
    #: JSON text of the error that the call shows while it waits.
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class WaitAnswer:
    """How a wait stands."""

    state: WaitState
    #: JSON text, when it gave something.
    result: str | None = None
    #: JSON text of the failure, when it failed.
    error: str | None = None
    #: While it is open: when it ends by itself.
    deadline: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A call that waits for the first of several waits, under the claim that makes it."""

    execution_id: str
    epoch: int
    path: str
    name: str
    #: Canonical JSON text of what the call was made with, and its hash.
    args: str
    args_hash: str
    now: int
    #: Paths of the waits, in the order in which they were given.
    alternatives: tuple[str, ...]
    #: The call's, see Checkpoint.
    number: int = 0


@dataclass(frozen=True, slots=True)
class Resolution:
    """An answer to a wait point."""

    execution_id: str
    key: str
    #: JSON text.
    result: str
    now: int
    #: Who answered, for the record.
    by: str = ""
    #: `by` names one call: made again after a restart it has answered already.
    once: bool = False


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that executions may be waiting for."""

    id: str
    name: str
    #: JSON text.
    payload: str
    now: int
    #: True: every waiter gets it; False: the one that has waited longest, or the next one to come.
    to_all: bool = False
    #: Only this execution; None: any.
    execution_id: str | None = None


@dataclass(frozen=True, slots=True)
class WaitRecord:
    """A wait as people see it."""

    execution_id: str
    workflow: str
    path: str
    name: str
    kind: WaitKind
    key: str
    payload: Any
    state: WaitState
    created_at: int
    deadline: int | None
    resolved_at: int | None
    resolved_by: str | None
    result: Any
    permission: str | None = None
