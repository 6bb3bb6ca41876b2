"""Events and what became of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, NamedTuple


class Outcome(StrEnum):
    """How a delivery ended. Each is recorded with a reason in a sentence."""

    STARTED = "started"
    FILTERED = "filtered"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    MISSED = "missed"
    SKIPPED = "skipped"
    PAUSED = "paused"
    FAILED = "failed"


def among(kind: str, wanted: Iterable[str]) -> bool:
    """Whether an event's type is one of these globs. "pull_request" means every action of it, "pull_request.opened" one."""
    names = (kind, kind.partition(".")[0])
    return any(fnmatchcase(name, glob) for glob in wanted for name in names)


class NewEvent(NamedTuple):
    """A fact as a trigger hands it to the store."""

    #: Where it came from: "webhook:NAME", "schedule:NAME", "record:NAMESPACE", "manual:NAME". One half of the unique key.
    source: str
    #: The other half: the sender's delivery id, the slot's instant, the outbox row. None: never a duplicate.
    key: str | None
    #: "record.created", "webhook", "schedule", or the provider's own event name.
    type: str
    #: When it happened, milliseconds since 1970 UTC.
    time: int
    #: JSON: what `args` is made of. Webhook: {method, query, headers}; record: {event, new, old, changed, actor};
    #: schedule: {scheduledTime, previousTime, nextTime} as ISO texts.
    payload: dict[str, Any]
    namespace: str = ""
    model: str = ""
    #: The raw body of a webhook, exactly as received.
    body: bytes | None = None
    #: Executors that this event is for, when the trigger knows; empty: dispatch matches by namespace, type and model.
    executors: tuple[str, ...] = ()
    #: A second key for the same source: the body's hash, where two real events never have the same body. None: there is none.
    body_key: str | None = None
    #: How long both keys are remembered, in milliseconds; None: for ever.
    window: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A stored fact."""

    id: str
    source: str
    key: str | None
    type: str
    time: int
    received_at: int
    payload: dict[str, Any]
    namespace: str = ""
    model: str = ""
    body: bytes | None = None
    executors: tuple[str, ...] = ()


class StoredEvent(NamedTuple):
    """What the store answers to a `NewEvent`."""

    id: str
    #: True when (source, key) or (source, body_key) was there already: `id` is then the first one's.
    duplicate: bool
    #: With `duplicate`: whether the body differs from the stored one.
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event meeting one executor."""

    id: str
    event_id: str
    executor: str
    outcome: Outcome
    #: A sentence for the person who asks why.
    reason: str
    created_at: int
    #: The execution that it started, if any.
    execution_id: str | None = None
    #: What the expressions gave: {condition, variables}, or the error. Replays read it.
    evaluation: dict[str, Any] = field(default_factory=dict)


def delivery_id(event_id: str, executor: str) -> str:
    """Known before dispatch, so that a webhook's answer can name it."""
    return f"{event_id}.{executor}"
