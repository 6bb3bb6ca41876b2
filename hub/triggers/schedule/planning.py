"""What becomes of the slots between two checks: which fire, and which are recorded with the reason why they do not.

Pure: a stored instant and the present one in, a plan out. Every slot in between is in exactly one plan, once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from hub.model.clock import iso
from hub.model.durations import spoken
from hub.model.event import Outcome
from hub.model.executor import ScheduleTrigger
from hub.model.schedule import Slot
from hub.triggers.schedule.cron import Cron

#: A slot checked less than this many milliseconds after its time is on time: whatever `missed` says, it fires.
ON_TIME = 60_000
#: How many slots one plan holds at most, so that a long outage does not hold up the other schedules.
CHUNK = 200


@dataclass(frozen=True, slots=True)
class Record:
    """A slot that does not fire."""

    slot: int
    #: MISSED, SKIPPED or PAUSED.
    outcome: Outcome
    reason: str

    def as_slot(self) -> Slot:
        return Slot(self.slot, None, self.outcome, self.reason)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now. All slots are nominal instants, oldest first."""

    fire: tuple[int, ...]
    records: tuple[Record, ...]
    #: When to look again: the next slot with its jitter. None: no slot will come any more.
    next_fire_at: int | None
    #: Slots are left over that are due already: plan again at once, from `next_fire_at`.
    more: bool = False


class Slots:
    """The slots of a trigger: its cron's instants within `start` and `end`, each with its own small delay.

    A slot's jitter is fixed by the executor's name and the slot. It never reaches the next slot, so that they stay in order.
    """

    def __init__(self, trigger: ScheduleTrigger, cron: Cron, name: str = "") -> None:
        self._cron = cron
        self._name = name
        self._jitter = trigger.jitter
        self._start = trigger.start
        self._end = trigger.end

    def after(self, instant: int) -> int | None:
        """The first slot after an instant."""
        slot = self._cron.next_after(instant if self._start is None else max(instant, self._start - 1))
        return None if slot is None or (self._end is not None and slot > self._end) else slot

    def before(self, instant: int) -> int | None:
        """The last slot before an instant."""
        slot = self._cron.previous_before(instant if self._end is None else min(instant, self._end + 1))
        return None if slot is None or (self._start is not None and slot < self._start) else slot

    def fire_at(self, slot: int) -> int:
        """When a slot fires: its instant and its jitter."""
        if self._jitter <= 0:
            return slot
        following = self._cron.next_after(slot)
        most = self._jitter + 1 if following is None else min(self._jitter + 1, following - slot)
        digest = hashlib.blake2b(f"{self._name} {slot}".encode(), digest_size=8).digest()
        return slot + int.from_bytes(digest, "big") % most

    def stored(self, fire_at: int) -> int | None:
        """The slot that a stored instant stands for.

        It is the last one up to then, because jitter never reaches the next slot; also after the jitter was edited.
        """
        slot = self.before(fire_at + 1)
        return self.after(fire_at) if slot is None else slot

    def latest(self, now: int) -> int | None:
        """The newest slot whose time to fire has come."""
        slot = self.before(now + 1)
        while slot is not None and self.fire_at(slot) > now:
            slot = self.before(slot)
        return slot


def first_fire_at(trigger: ScheduleTrigger, cron: Cron, now: int, *, name: str = "") -> int | None:
    """When a schedule that is new, or was changed, fires first: only slots after `now` are its own."""
    slots = Slots(trigger, cron, name)
    slot = slots.after(now)
    return None if slot is None else slots.fire_at(slot)


def due(
    trigger: ScheduleTrigger,
    cron: Cron,
    next_fire_at: int | None,
    now: int,
    *,
    name: str = "",
    paused: bool = False,
    most: int = CHUNK,
) -> Plan:
    """Decide the slots from the stored `next_fire_at` up to `now`, at most `most` of them, oldest first."""
    if next_fire_at is None or next_fire_at > now:
        return Plan((), (), next_fire_at)
    slots = Slots(trigger, cron, name)
    slot = slots.stored(next_fire_at)
    found: list[int] = []
    while slot is not None and slots.fire_at(slot) <= now and len(found) < most:
        found.append(slot)
        slot = slots.after(slot)
    upcoming = None if slot is None else slots.fire_at(slot)
    if not found:
        return Plan((), (), upcoming)
    verdict = _Verdict(trigger, slots, now, paused=paused, oldest=found[0])
    records = tuple(record for slot in found if (record := verdict.on(slot)) is not None)
    silent = {record.slot for record in records}
    fire = tuple(slot for slot in found if slot not in silent)
    return Plan(fire, records, upcoming, more=upcoming is not None and upcoming <= now)


class _Verdict:
    """What the policy says about the slots that are due at `now`."""

    def __init__(self, trigger: ScheduleTrigger, slots: Slots, now: int, *, paused: bool, oldest: int) -> None:
        self._trigger = trigger
        self._slots = slots
        self._now = now
        self._paused = paused
        late = not paused and now - slots.fire_at(oldest) >= ON_TIME
        #: The newest slot that is due. Like the next one not looked for when every slot is on time.
        self._newest = slots.latest(now) if late else None
        #: Missed slots from this one on are caught up; None: none is.
        self._from = self._caught_up(oldest) if late else None

    def on(self, slot: int) -> Record | None:
        """Why a slot does not fire; None: it does."""
        age = self._now - self._slots.fire_at(slot)
        if self._paused:
            # Of one that is looked at late nobody knows whether the pause began before or behind it, and it starts nothing either way.
            late = f"checked {spoken(age)} after it came due, and the schedule was paused then."
            return Record(
                slot, Outcome.PAUSED, late if age >= ON_TIME else "the schedule was paused when this slot came due."
            )
        if age < ON_TIME or (self._from is not None and slot >= self._from):
            return None
        late = f"checked {spoken(age)} after it came due"
        if self._trigger.missed == "skip":
            return Record(slot, Outcome.SKIPPED, f'{late}, and the schedule says "missed: skip".')
        return Record(slot, Outcome.MISSED, f"{late}, {self._why_missed(age)}.")

    def _why_missed(self, age: int) -> str:
        if age > self._trigger.missed_window:
            return f"which is more than its missed_window of {spoken(self._trigger.missed_window)}"
        if self._trigger.missed == "all":
            return f"and only the newest {self._trigger.missed_max} missed slots are caught up (missed_max)"
        newest = "" if self._newest is None else f", here {iso(self._newest)}"
        return f"and only the latest slot is caught up{newest} (missed: latest)"

    def _caught_up(self, oldest: int) -> int | None:
        """The oldest missed slot that is caught up."""
        if self._trigger.missed == "skip" or self._newest is None:
            return None
        if self._trigger.missed == "latest":
            return self._newest if self._in_window(self._newest) else None
        earliest: int | None = None
        slot: int | None = self._newest
        while slot is not None and self._now - self._slots.fire_at(slot) < ON_TIME:
            slot = self._slots.before(slot)
        for _ in range(self._trigger.missed_max):
            if slot is None or slot < oldest or not self._in_window(slot):
                break
            earliest, slot = slot, self._slots.before(slot)
        return earliest

    def _in_window(self, slot: int) -> bool:
        return self._now - self._slots.fire_at(slot) <= self._trigger.missed_window
