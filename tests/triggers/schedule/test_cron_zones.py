"""The nights of a clock change, against three oracles: minute by minute on the clock itself, crondst, and cronsim."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from crondst import CronDst
from cronsim import CronSim
from schedule_stand_ins import slots_between

from hub.triggers.schedule.cron import parse

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)

#: One of each kind: whole and half hours, two and three hours, midnight, southern, Ramadan, changes of the standard time.
KINDS = [
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "America/Havana",
    "America/Asuncion",
    "America/Scoresbysund",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Tehran",
    "Antarctica/Troll",
    "Antarctica/Casey",
    "Antarctica/Vostok",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Fiji",
]


def changes(zone: ZoneInfo, first: date, last: date) -> Iterator[datetime]:
    """The first minutes with a new offset, in UTC; found by asking the clock each hour and then each minute."""
    hour = datetime(first.year, first.month, first.day, tzinfo=UTC)
    while hour.date() < last:
        later = hour + timedelta(hours=6)
        if hour.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset():
            minute = hour
            while minute.astimezone(zone).utcoffset() == hour.astimezone(zone).utcoffset():
                minute += MINUTE
            yield minute
        hour = later


class Watched:
    """What a person sees who looks at the clock on the wall each minute for some days."""

    def __init__(self, zone: ZoneInfo, start: datetime, days: int) -> None:
        self.start, self.end = start, start + days * DAY
        self.minutes = [start + number * MINUTE for number in range(days * 24 * 60)]
        self.shown = [minute.astimezone(zone).replace(tzinfo=None) for minute in self.minutes]
        self.on_the_wall = list(self._wall_times())

    def elapsed(self, minutes: set[int], hours: set[int]) -> list[datetime]:
        return [
            minute
            for minute, local in zip(self.minutes, self.shown, strict=True)
            if local.minute in minutes and local.hour in hours
        ]

    def wall(self, minutes: set[int], hours: set[int]) -> list[datetime]:
        return sorted({minute for local, minute in self.on_the_wall if local.minute in minutes and local.hour in hours})

    def _wall_times(self) -> Iterator[tuple[datetime, datetime]]:
        """Each wall time and the minute in which it counts: the first that shows it; for one that is never shown, the
        first after which it is past.
        """
        first: dict[datetime, datetime] = {}
        for minute, local in zip(self.minutes, self.shown, strict=True):
            first.setdefault(local, minute)
        local = self.shown[0]
        while local <= self.shown[-1]:
            yield local, first.get(local) or self._past(local)
            local += MINUTE

    def _past(self, local: datetime) -> datetime:
        return next(minute for minute, shown in zip(self.minutes, self.shown, strict=True) if shown > local)


def slots(expression: str, zone: str, watched: Watched) -> list[datetime]:
    cron = parse(expression, zone)
    after, until = ms(watched.start) - 1, ms(watched.end) - 1
    found = slots_between(cron, after, until, 10_000)
    back = []
    slot = cron.previous_before(until + 1)
    while slot is not None and slot > after:
        back.append(slot)
        slot = cron.previous_before(slot)
    assert back[::-1] == found, f"{expression} in {zone}: backwards is not the reverse of forwards"
    return [datetime.fromtimestamp(slot / 1000, UTC) for slot in found]


def ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


def spelled(values: set[int]) -> str:
    return ",".join(map(str, sorted(values)))


def fixed_jobs(chooser: random.Random, count: int) -> Iterator[tuple[str, set[int], set[int]]]:
    for _ in range(count):
        minutes = set(chooser.sample(range(60), chooser.choice([1, 2, 12])))
        hours = set(chooser.sample(range(24), chooser.choice([1, 3, 12])) + chooser.sample(range(4), 1))
        yield f"{spelled(minutes)} {spelled(hours)} * * *", minutes, hours


def interval_jobs(chooser: random.Random, count: int) -> Iterator[tuple[str, set[int], set[int]]]:
    for _ in range(count):
        step = chooser.choice([1, 5, 7, 20, 30])
        hours = set(chooser.sample(range(24), 5) + chooser.sample(range(4), 2))
        yield f"*/{step} {spelled(hours)} * * *", set(range(0, 60, step)), hours
        minutes = set(chooser.sample(range(60), chooser.choice([1, 3])))
        step = chooser.choice([1, 2, 3])
        yield f"{spelled(minutes)} */{step} * * *", minutes, set(range(0, 24, step))


def check_minutes(zone: str, change: datetime, chooser: random.Random, count: int) -> int:
    """Compare with the watched clock from the day before a change to the day after. Returns how many slots agreed."""
    watched = Watched(ZoneInfo(zone), change.replace(minute=0) - DAY - timedelta(hours=2), 3)
    agreed = 0
    for expression, minutes, hours in fixed_jobs(chooser, count):
        wanted = watched.wall(minutes, hours)
        assert slots(expression, zone, watched) == wanted, f"{expression} in {zone} around {change}"
        agreed += len(wanted)
    for expression, minutes, hours in interval_jobs(chooser, count):
        wanted = watched.elapsed(minutes, hours)
        assert slots(expression, zone, watched) == wanted, f"{expression} in {zone} around {change}"
        agreed += len(wanted)
    return agreed


def check_libraries(zone: str, change: datetime, chooser: random.Random, count: int) -> None:
    """Compare with crondst and cronsim. They are right about changes of an hour at most at a full hour: beyond, crondst
    misses slots after a gap of two hours and both may search without end; cronsim is also wrong about half hours.
    """
    before, after = (change - MINUTE).astimezone(ZoneInfo(zone)), change.astimezone(ZoneInfo(zone))
    size = abs(offset(after) - offset(before))
    if size > timedelta(hours=1) or before.minute != 59:
        return
    watched = Watched(ZoneInfo(zone), change.replace(minute=0) - DAY, 2)
    start = (watched.start - MINUTE).astimezone(ZoneInfo(zone))
    for expression, _, _ in [*fixed_jobs(chooser, count), *interval_jobs(chooser, count)]:
        found = slots(expression, zone, watched)
        assert found == upto(watched.end, CronDst(expression).iter(start)), f"crondst: {expression} in {zone}, {change}"
        if size == timedelta(hours=1):
            assert found == upto(watched.end, CronSim(expression, start)), f"cronsim: {expression} in {zone}, {change}"


def offset(moment: datetime) -> timedelta:
    found = moment.utcoffset()
    assert found is not None
    return found


def upto(end: datetime, moments: Iterable[datetime]) -> list[datetime]:
    found = []
    for moment in moments:
        if moment.timestamp() >= end.timestamp():
            break
        found.append(moment.astimezone(UTC))
    return found


@pytest.mark.parametrize("zone", KINDS)
def test_each_kind_of_change_agrees_with_the_clock_on_the_wall(zone):
    chooser = random.Random(zone)
    met = list(changes(ZoneInfo(zone), date(2022, 3, 1), date(2025, 1, 1))) or list(
        changes(ZoneInfo(zone), date(2020, 1, 1), date(2022, 1, 1))
    )
    assert met
    for change in met[:3]:
        assert check_minutes(zone, change, chooser, 3) > 0


def test_a_skipped_day_comes_due_once_when_the_next_one_begins():
    watched = Watched(ZoneInfo("Pacific/Apia"), datetime(2011, 12, 29, tzinfo=UTC), 3)
    wanted = watched.wall({0, 30}, {9, 17})
    assert datetime(2011, 12, 30, 10, 0, tzinfo=UTC) in wanted
    assert slots("0,30 9,17 * * *", "Pacific/Apia", watched) == wanted


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe"])
def test_the_libraries_that_know_clock_changes_agree(zone):
    chooser = random.Random(zone)
    for change in list(changes(ZoneInfo(zone), date(2026, 1, 1), date(2027, 1, 1))):
        check_libraries(zone, change, chooser, 3)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_every_change_of_every_zone_until_2040():
    for zone, met in different_zones():
        chooser = random.Random(zone)
        for change in met:
            check_minutes(zone, change, chooser, 4)
            check_libraries(zone, change, chooser, 2)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_every_minute_of_every_day_with_a_change_until_2040():
    for zone, met in different_zones():
        for change in met:
            watched = Watched(ZoneInfo(zone), change.replace(minute=0) - DAY, 2)
            wanted: dict[tuple[int, int], list[int]] = {}
            for local, minute in watched.on_the_wall:
                wanted.setdefault((local.hour, local.minute), []).append(ms(minute))
            for (hour, minute), instants in wanted.items():
                found = slots_between(
                    parse(f"{minute} {hour} * * *", zone), ms(watched.start) - 1, ms(watched.end) - 1, 10
                )
                assert found == instants, f"{minute} {hour} in {zone} around {change}"


def different_zones() -> Iterator[tuple[str, list[datetime]]]:
    """One zone for each list of changes from 2020 to 2040."""
    seen = set()
    for name in sorted(available_timezones() - {"localtime"}):
        zone = ZoneInfo(name)
        met = list(changes(zone, date(2020, 1, 1), date(2041, 1, 1)))
        kind = tuple((change, change.astimezone(zone).utcoffset()) for change in met)
        if met and kind not in seen:
            seen.add(kind)
            yield name, met
