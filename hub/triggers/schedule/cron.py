"""When a cron expression comes due in a time zone, by the rules of Debian's cron(8) at the nights of a clock change.

- The minute or the hour begins with `*`: the job follows **elapsed** time. Each instant counts whose local time matches, so
  nothing happens inside a gap, and an hour that comes twice counts twice.
- Otherwise it is a time on the **wall**, and each one counts once: inside a gap at the first instant after it, in an hour
  that comes twice at its first occurrence. `dst: {gap: after | skip, overlap: first | last | both}` changes this.

croniter steps local times without a zone; it never hears of a clock change. Unlike Debian's cron, several times inside one
gap are one slot (a slot is an instant), and a gap of more than three hours is treated like any other.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

from hub.model.errors import BadInput
from hub.model.executor import ScheduleTrigger
from hub.model.names import advice
from hub.triggers.schedule import expression as expressions
from hub.triggers.schedule import zones
from hub.triggers.schedule.zones import Change

#: What `dst` may say; the first of each is what happens when it says nothing.
DST_RULES: Mapping[str, tuple[str, ...]] = {"gap": ("after", "skip"), "overlap": ("first", "last", "both")}

_MINUTE = timedelta(minutes=1)
_TICK = timedelta(microseconds=1)
#: The longest wait that the calendar can ask for is 40 years: a 29 February on a given weekday, across 2100.
_MOST_YEARS = 50


def parse(expression: str, timezone: str, dst: Mapping[str, Any] | None = None) -> Cron:
    """Read a cron expression, an IANA time zone and the rules for clock changes. Raises BadInput with what to write."""
    rules = _rules({} if dst is None else dst)
    return _parse(expression, timezone, rules["gap"], rules["overlap"])


def cron_of(trigger: ScheduleTrigger) -> Cron:
    """The instants of a trigger, without its bounds and jitter. Raises BadInput."""
    return parse(trigger.cron, trigger.timezone, trigger.dst)


class Cron:
    """The instants of one expression in one zone: milliseconds since 1970 UTC. Immutable, and safe to share."""

    def __init__(self, fields: expressions.Fields, zone: ZoneInfo, gap: str = "after", overlap: str = "first") -> None:
        self.fields = fields
        self.zone = zone
        self._calendar = _Calendar(fields)
        self.skips_gaps = gap == "skip"
        self.passes = {"first": (0,), "last": (1,), "both": (0, 1)}[overlap]

    def next_after(self, instant: int) -> int | None:
        """The first slot after an instant; None when there is none within 50 years."""
        if not zones.EARLIEST <= instant <= zones.LATEST:
            return None
        if self.fields.elapsed:
            return self._elapsed_after(instant)
        found = [self._wall_after(instant, which) for which in self.passes]
        return min((slot for slot in found if slot is not None), default=None)

    def previous_before(self, instant: int) -> int | None:
        """The last slot before an instant; None when there is none within 50 years."""
        if not zones.EARLIEST <= instant <= zones.LATEST:
            return None
        if self.fields.elapsed:
            return self._elapsed_before(instant)
        found = [self._wall_before(instant, which) for which in self.passes]
        return max((slot for slot in found if slot is not None), default=None)

    def unseen(self, change: Change) -> list[datetime]:
        """The matching local times, at most 3, inside the gap of a forward change: times that the clock never shows."""
        times: list[datetime] = []
        local = self._calendar.after(change.old_local - _TICK)
        while local is not None and local < change.new_local and len(times) < 3:  # noqa: PLR2004 - enough to name them
            times.append(local)
            local = self._calendar.after(local)
        return times

    def _elapsed_after(self, instant: int) -> int | None:
        """Search inside one offset; when a change comes first, go on from there with the new one."""
        offset = zones.offset_at(self.zone, instant)
        local = self._calendar.after(zones.shown(instant, offset))
        while local is not None:
            slot = zones.instant_of(local, offset)
            change = zones.next_change(self.zone, instant, slot)
            if change is None:
                return slot
            instant, offset = change.at, change.after
            local = self._calendar.after(change.new_local - _TICK)
        return None

    def _elapsed_before(self, instant: int) -> int | None:
        last = instant - 1
        offset = zones.offset_at(self.zone, last)
        local = self._calendar.before(zones.shown(instant, offset))
        while local is not None:
            slot = zones.instant_of(local, offset)
            change = zones.last_change(self.zone, slot, last)
            if change is None:
                return slot
            last, offset = change.at - 1, change.before
            local = self._calendar.before(change.old_local)
        return None

    def _wall_after(self, instant: int, which: int) -> int | None:
        """Local times in their order: their instants never go down, so the first one that is late enough is the next."""
        local = self._calendar.after(zones.shown(instant, min(self._offsets_around(instant))))
        while local is not None:
            slot = self._on_the_wall(local, which)
            if slot is not None and slot > instant:
                return slot
            local = self._calendar.after(local)
        return None

    def _wall_before(self, instant: int, which: int) -> int | None:
        local = self._calendar.before(zones.shown(instant, max(self._offsets_around(instant))))
        while local is not None:
            slot = self._on_the_wall(local, which)
            if slot is not None and slot < instant:
                return slot
            local = self._calendar.before(local)
        return None

    def _offsets_around(self, instant: int) -> tuple[timedelta, timedelta]:
        return zones.offsets_of(self.zone, zones.shown(instant, zones.offset_at(self.zone, instant)))

    def _on_the_wall(self, local: datetime, which: int) -> int | None:
        """The instant of a wall time: `which` of two occurrences, or what the rule for gaps says; None: never."""
        offsets = zones.offsets_of(self.zone, local)
        if offsets[0] >= offsets[1]:
            return zones.instant_of(local, offsets[which])
        if self.skips_gaps:
            return None
        change = zones.next_change(self.zone, zones.instant_of(local, offsets[1]), zones.instant_of(local, offsets[0]))
        assert change is not None  # the offsets differ because of it
        return change.at


class _Calendar:
    """Matching local times, in whole minutes, without any zone. croniter keeps its place inside, hence the lock."""

    def __init__(self, fields: expressions.Fields) -> None:
        self._lock = threading.Lock()
        self._croniter = croniter(
            fields.plain,
            datetime(2000, 1, 1),  # noqa: DTZ001 - local times have no zone here
            ret_type=datetime,
            day_or=not fields.both_days,
            max_years_between_matches=_MOST_YEARS,
        )

    def after(self, local: datetime) -> datetime | None:
        """The first matching minute later than `local`."""
        # croniter keeps seconds as floats: whole minutes are exact.
        return self._step(self._croniter.get_next, local.replace(second=0, microsecond=0))

    def before(self, local: datetime) -> datetime | None:
        """The last matching minute earlier than `local`."""
        floor = local.replace(second=0, microsecond=0)
        return self._step(self._croniter.get_prev, floor if floor == local else floor + _MINUTE)

    def _step(self, step: Any, local: datetime) -> datetime | None:
        with self._lock:
            try:
                found: datetime = step(start_time=local)
            except CroniterBadDateError:
                return None
        return found


@lru_cache(maxsize=4096)
def _parse(expression: str, timezone: str, gap: str, overlap: str) -> Cron:
    return Cron(expressions.read(expression), zones.zone_called(timezone), gap, overlap)


def _rules(dst: Mapping[str, Any]) -> dict[str, str]:
    chosen = {key: values[0] for key, values in DST_RULES.items()}
    for key, value in dst.items():
        if key not in DST_RULES:
            raise BadInput(f'dst has no rule "{key}". {advice(str(key), DST_RULES)}')
        if value not in DST_RULES[key]:
            raise BadInput(f'the dst rule "{key}" cannot be "{value}". {advice(str(value), DST_RULES[key])}')
        chosen[key] = value
    return chosen
