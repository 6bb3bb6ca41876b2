"""Time zones as a list of changes: when a clock jumps, and between which offsets.

Local times are naive datetimes; instants are milliseconds since 1970 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from hub.model.errors import BadInput
from hub.model.names import closest

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
#: Beyond these years nothing is asked, so that an offset or a search never leaves what a datetime can hold.
EARLIEST = int((datetime(1900, 1, 1, tzinfo=UTC) - _EPOCH) / _MILLISECOND)
LATEST = int((datetime(9900, 1, 1, tzinfo=UTC) - _EPOCH) / _MILLISECOND)


@dataclass(frozen=True, slots=True)
class Change:
    """The instant at which a zone's offset becomes another one."""

    at: int
    before: timedelta
    after: timedelta

    @property
    def forward(self) -> bool:
        """The clock jumps ahead: local times from `old_local` up to `new_local` do not exist."""
        return self.after > self.before

    @property
    def old_local(self) -> datetime:
        """What the clock would have shown at the change."""
        return shown(self.at, self.before)

    @property
    def new_local(self) -> datetime:
        """What the clock shows from the change on."""
        return shown(self.at, self.after)


def zone_called(name: str) -> ZoneInfo:
    """The IANA time zone of that name. Raises BadInput with the closest name."""
    try:
        if name != "localtime":  # some systems keep a file of that name, which differs from machine to machine
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    near = _closest(name, available_timezones() - {"localtime"})
    hint = "" if near is None else f' Did you mean "{near}"?'
    raise BadInput(
        f'there is no time zone "{name}".{hint} Names are those of the IANA database, such as "Europe/Berlin".'
    )


def _closest(name: str, known: set[str]) -> str | None:
    """In another case, by its city alone, or by its letters."""
    wanted = name.strip().lower().replace(" ", "_")
    for zone in sorted(known):
        if wanted in (zone.lower(), zone.lower().rpartition("/")[2]):
            return zone
    return closest(name, known)


def offset_at(zone: ZoneInfo, instant: int) -> timedelta:
    """How far the clock is ahead of UTC at an instant."""
    return _offset((_EPOCH + instant * _MILLISECOND).astimezone(zone))


def shown(instant: int, offset: timedelta) -> datetime:
    """What a clock with that offset shows at an instant."""
    return (_EPOCH + instant * _MILLISECOND + offset).replace(tzinfo=None)


def instant_of(local: datetime, offset: timedelta) -> int:
    """When a clock with that offset shows `local`."""
    return (local.replace(tzinfo=UTC) - offset - _EPOCH) // _MILLISECOND


def offsets_of(zone: ZoneInfo, local: datetime) -> tuple[timedelta, timedelta]:
    """The two offsets that a local time may have. Equal: an ordinary time. Falling: it comes twice, first with the
    first one. Rising: it does not exist, and these are the offsets before and after the gap (PEP 495).
    """
    return _offset(local.replace(tzinfo=zone, fold=0)), _offset(local.replace(tzinfo=zone, fold=1))


def next_change(zone: ZoneInfo, after: int, until: int) -> Change | None:
    """The first change in (after, until]."""
    for year in range(_year(after), _year(until) + 1):
        for change in _changes(zone, year):
            if change.at > until:
                return None
            if change.at > after:
                return change
    return None


def last_change(zone: ZoneInfo, after: int, until: int) -> Change | None:
    """The last change in (after, until]."""
    for year in range(_year(until), _year(after) - 1, -1):
        for change in reversed(_changes(zone, year)):
            if change.at <= after:
                return None
            if change.at <= until:
                return change
    return None


def _offset(moment: datetime) -> timedelta:
    offset = moment.utcoffset()
    assert offset is not None  # the moment has a zone
    return offset


def _year(instant: int) -> int:
    return (_EPOCH + instant * _MILLISECOND).year


@lru_cache(maxsize=4096)
def _changes(zone: ZoneInfo, year: int) -> tuple[Change, ...]:
    """The changes of one UTC year: days whose ends differ, halved down to the second. No zone changes twice in a day."""
    found = []
    day, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    before = _offset(day.astimezone(zone))
    while day < end:
        after = _offset((day + _DAY).astimezone(zone))
        if after != before:
            found.append(_narrowed(zone, day, before, after))
        day, before = day + _DAY, after
    return tuple(found)


def _narrowed(zone: ZoneInfo, day: datetime, before: timedelta, after: timedelta) -> Change:
    low, high = 0, _DAY // _SECOND
    while high - low > 1:
        middle = (low + high) // 2
        if _offset((day + middle * _SECOND).astimezone(zone)) == before:
            low = middle
        else:
            high = middle
    return Change((day + high * _SECOND - _EPOCH) // _MILLISECOND, before, after)
