"""Schedules as the store keeps them: the row of each, and the slots that came due."""

from __future__ import annotations

from dataclasses import dataclass

from hub.model.event import NewEvent, Outcome


@dataclass(frozen=True, slots=True)
class StoredSchedule:
    """What is remembered of a schedule between two checks."""

    executor: str
    #: Hash of what decides its slots (cron, timezone, bounds, clock-change rules). Another one begins anew from now.
    definition: str
    #: When it is to be looked at next: its next slot and that slot's jitter, milliseconds since 1970 UTC.
    #: None: no slot will come any more (`end` has passed).
    next_fire_at: int | None
    #: While True, slots are recorded as paused and nothing starts. Written by people, kept through edits.
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """One due moment of one schedule. Unique on (executor, at): whoever records it first decides what became of it."""

    #: The nominal instant, without jitter, milliseconds since 1970 UTC.
    at: int
    #: Stored in the same transaction as the slot; None: this slot does not fire.
    event: NewEvent | None
    #: Why it does not fire: missed, skipped or paused. None exactly when there is an event.
    outcome: Outcome | None
    #: A sentence for the person who asks why.
    reason: str


@dataclass(frozen=True, slots=True)
class RecordedSlot:
    """A due moment that there was, and what became of it."""

    #: The nominal instant, milliseconds since 1970 UTC.
    at: int
    #: What it fired; None: it did not.
    event_id: str | None
    #: Why it did not fire; None: it did.
    outcome: str | None
    #: A sentence for the person who asks why; "" when it fired.
    reason: str
    #: When that was decided, milliseconds since 1970 UTC.
    recorded_at: int
