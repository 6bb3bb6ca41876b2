"""What a schedule is going to do, for a person who reads it before saving: the next instants and the nights of a clock change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.model.executor import ScheduleTrigger
from hub.triggers.schedule import zones
from hub.triggers.schedule.cron import Cron, cron_of
from hub.triggers.schedule.planning import Slots


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
    """A fixed time that was moved to the end of a gap, or times of an interval job that the gap left out before this slot."""
    before = cron.previous_before(slot)
    change = zones.last_change(cron.zone, slot - 1 if before is None else before, slot)
    if change is None or not change.forward:
        return None
    unseen = cron.unseen(change)
    if not unseen:
        return None
    gap = f"the clock jumps from {change.old_local:%H:%M} to {change.new_local:%H:%M}"
    if slot == change.at and not cron.fields.elapsed and not cron.skips_gaps:
        return f"{_times(unseen)} does not exist, as {gap}; it fires at the first instant after that."
    return f"before this one {_times(unseen)} is left out, as {gap}."


def _times(locals_: list[datetime]) -> str:
    shown = [f"{local:%H:%M}" for local in locals_]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"[:60]


def _signed(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
