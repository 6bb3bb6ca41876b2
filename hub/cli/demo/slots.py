"""Which slot of the schedule the demo shows: the next minute when that is near, else last night's, which was missed.

Both are slots of the machine's own clock. A live one needs waiting for, since cron counts in minutes: the copy of the
executor is due at the next minute instead of at two o'clock. For a missed one the executor stays as it is, and the store is told
of it as if the hub had been set up yesterday and switched off overnight: the night is then made up for when the server starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hub.assembly.parts import Parts
from hub.cli.demo.example import set_cron
from hub.model.executor import ScheduleTrigger
from hub.model.schedule import StoredSchedule
from hub.triggers.schedule.cron import cron_of
from hub.triggers.schedule.loop import definition

_MINUTE = 60_000
#: The server needs this long to be there, in milliseconds.
_HEAD_START = 5_000
#: `auto` waits for a slot that is at most this near.
_WORTH_WAITING = 30_000


@dataclass(frozen=True, slots=True)
class ShownSlot:
    """A slot of the example's schedule."""

    #: Its nominal instant, milliseconds since 1970 UTC.
    at: int
    #: Whether it is still to come; else it was missed.
    live: bool


def choose(now: int, how: str) -> int | None:
    """The minute to wait for; None: last night's slot is shown. `how`: auto, live or missed."""
    slot = ((now + _HEAD_START) // _MINUTE + 1) * _MINUTE
    if how == "missed" or (how == "auto" and slot - now > _WORTH_WAITING):
        return None
    return slot


def make_due(folder: Path, slot: int) -> None:
    """The copy's schedule is due at this minute."""
    moment = datetime.fromtimestamp(slot / 1000, UTC)
    set_cron(folder, f"{moment.minute} {moment.hour} * * *")


async def make_known(parts: Parts, executor: str, live: int | None) -> ShownSlot:
    """Let the store know of the schedule, as a server does when it first sees the file; without a live slot, since before
    the last one.
    """
    trigger = parts.client.executor(executor).trigger
    assert isinstance(trigger, ScheduleTrigger)
    slot = live if live is not None else cron_of(trigger).previous_before(parts.clock.now())
    assert slot is not None  # it is a nightly schedule
    await parts.store.put_schedules([StoredSchedule(executor, definition(trigger), slot)], [])
    return ShownSlot(slot, live=live is not None)
