"""Verbs of schedules: rows with the next due time, and a row for every slot that there was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.model.schedule import Slot, StoredSchedule
from hub.store.dialects.base import Tx
from hub.store.events import arrival as arrival_of
from hub.store.events import store_arrivals
from hub.store.verbs import Verb


@dataclass(frozen=True, slots=True)
class PutSchedules:
    """Rows to insert or to replace, and names to forget."""

    rows: tuple[StoredSchedule, ...]
    gone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecordSlots:
    """Slots of one schedule, and where its row goes on from there."""

    executor: str
    slots: tuple[Slot, ...]
    next_fire_at: int | None
    #: The row moves only while it still stands here: otherwise somebody else has gone on.
    expected: int
    now: int


def _put(tx: Tx, items: Sequence[PutSchedules]) -> list[None]:
    for item in items:
        for row in item.rows:
            tx.run(
                "INSERT INTO schedules (executor, definition, next_fire_at) VALUES (?, ?, ?) ON CONFLICT (executor) "
                "DO UPDATE SET definition = excluded.definition, next_fire_at = excluded.next_fire_at",
                (row.executor, row.definition, row.next_fire_at),
            )
        for name in item.gone:
            tx.run("DELETE FROM schedules WHERE executor = ?", (name,))
    return [None] * len(items)


def _record(tx: Tx, items: Sequence[RecordSlots]) -> list[int]:
    """Each slot once, with its event in the same transaction. Answers how many of them were new."""
    answers = []
    for item in items:
        new = 0
        for slot in item.slots:
            arrival = None if slot.event is None else arrival_of(slot.event, item.now)
            inserted = tx.run(
                "INSERT INTO slots (executor, at, event_id, outcome, reason, recorded_at) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (executor, at) DO NOTHING",
                (
                    item.executor,
                    slot.at,
                    None if arrival is None else arrival.id,
                    None if slot.outcome is None else slot.outcome.value,
                    slot.reason,
                    item.now,
                ),
            )
            if not inserted:
                continue
            new += 1
            if arrival is not None:
                store_arrivals(tx, [arrival])
        tx.run(
            "UPDATE schedules SET next_fire_at = ? WHERE executor = ? AND next_fire_at = ?",
            (item.next_fire_at, item.executor, item.expected),
        )
        answers.append(new)
    return answers


PUT_SCHEDULES: Verb[PutSchedules, None] = Verb("put_schedules", _put)
RECORD_SLOTS: Verb[RecordSlots, int] = Verb("record_slots", _record, rings=("events",))
