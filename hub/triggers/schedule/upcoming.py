"""What a schedule is going to do, for a person who reads it before saving: the next instants and the nights of a clock change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.model.executor import ScheduleTrigger
from hub.triggers.schedule import zones
from hub.triggers.schedule.cron import Cron, cron_of
from hub.triggers.schedule.planning import Slots
from hub.triggers.schedule.zones import Change


@dataclass(frozen=True, slots=True)
class Instant:
    """A slot to come."""

    #: Milliseconds since 1970 UTC.
    at: int
    #: What the clock shows there then: `2026-03-29 03:00 +02:00`.
    local: str
    #: What a clock change does to it; None on ordinary days.
    note: str | None


def upcoming(trigger: ScheduleTrigger, now: int, n: int) -> list[Instant]:
    """The next `n` slots after `now`, fewer when `end` comes first. Raises BadInput."""
    cron = cron_of(trigger)
    slots = Slots(trigger, cron)
    found: list[Instant] = []
    slot = slots.after(now)
    while slot is not None and len(found) < n:
        found.append(described(cron, slot))
        slot = slots.after(slot)
    return found


def described(cron: Cron, slot: int) -> Instant:
    """A slot as a person wants to see it."""
    offset = zones.offset_at(cron.zone, slot)
    local = zones.shown(slot, offset)
    return Instant(
        slot, f"{local:%Y-%m-%d %H:%M} {_signed(offset)}", _overlap_note(cron, slot) or _gap_note(cron, slot)
    )


def _overlap_note(cron: Cron, slot: int) -> str | None:
    offset = zones.offset_at(cron.zone, slot)
    local = zones.shown(slot, offset)
    first, second = zones.offsets_of(cron.zone, local)
    if first == second:
        return None
    which = "first" if offset == first else "second"
    if cron.fields.elapsed:
        return f"{local:%H:%M} comes twice as the clock is set back; this is the {which} time."
    if len(cron.passes) == 1:
        return f"{local:%H:%M} comes twice as the clock is set back; it fires the {which} time only."
    return f"{local:%H:%M} comes twice as the clock is set back; it fires both times, this is the {which}."


def _gap_note(cron: Cron, slot: int) -> str | None:
    """A fixed time that was moved to the end of a gap, or times before this slot that a gap leaves out."""
    before = cron.previous_before(slot)
    change = zones.next_change(cron.zone, slot - 1 if before is None else before, slot)
    while change is not None:
        unseen = cron.unseen(change) if change.forward else []
        if unseen:
            moved = slot == change.at and not cron.fields.elapsed and not cron.skips_gaps
            return _gap_sentence(change, unseen, moved=moved)
        change = zones.next_change(cron.zone, change.at, slot)
    return None


def _gap_sentence(change: Change, unseen: list[datetime], *, moved: bool) -> str:
    times = f"{unseen[0]:%H:%M}" + (
        f" (also {', '.join(f'{time:%H:%M}' for time in unseen[1:])})" if unseen[1:] else ""
    )
    jump = (
        f"{change.old_local:%Y-%m-%d}, when the clock jumps from {change.old_local:%H:%M} to {change.new_local:%H:%M}"
    )
    if moved:
        return f"{times} does not exist on {jump}; it fires at the first instant after that."
    return f"before this one, {times} is left out on {jump}."


def _signed(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
