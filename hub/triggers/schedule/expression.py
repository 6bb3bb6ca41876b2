"""A cron expression as text: five fields, read strictly, so that nothing is guessed and every mistake is explained.

The grammar is that of Debian's crontab(5), with `N/S` (from N to the end, by S) as the libraries of the field read it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from hub.model.counted import counted
from hub.model.errors import BadInput
from hub.model.names import advice

MOST_CHARACTERS = 1000

MACROS: Mapping[str, str] = MappingProxyType(
    {
        "@yearly": "0 0 1 1 *",
        "@annually": "0 0 1 1 *",
        "@monthly": "0 0 1 * *",
        "@weekly": "0 0 * * 0",
        "@daily": "0 0 * * *",
        "@midnight": "0 0 * * *",
        "@hourly": "0 * * * *",
    }
)

_FIVE = "minute hour day-of-month month day-of-week"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
#: The most days that each month can have.
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ITEM = re.compile(r"(?:(\*)|([a-z]+|[0-9]{1,4})(?:-([a-z]+|[0-9]{1,4}))?)(?:/([0-9]{1,4}))?")
_FOREIGN: Mapping[str, str] = MappingProxyType(
    {"?": 'write "*" instead', "#": 'the "#" of other tools is not known here', "~": "random times are not known here"}
)


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    lowest: int
    highest: int
    names: Mapping[str, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return len(_DAYS) if self.name == "day-of-week" else self.highest - self.lowest + 1


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day-of-month", 1, 31),
    _Field("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    _Field("day-of-week", 0, 7, {name: number for number, name in enumerate(_DAYS)}),
)


@dataclass(frozen=True, slots=True)
class Fields:
    """What a checked expression matches."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    #: 0 is Sunday; never 7.
    weekdays: frozenset[int]
    #: The minute or the hour begins with `*`: it follows elapsed time, not the clock on the wall.
    elapsed: bool
    #: Day of month or day of week begins with `*`: a day has to match both. Otherwise one of them is enough.
    both_days: bool

    @property
    def plain(self) -> str:
        """The same as sorted lists without names, ranges or steps, which no parser can misread."""
        days, weekdays = _spelled(self.days, 31), _spelled(self.weekdays, 7)
        if not self.both_days and "*" in (days, weekdays):
            days = weekdays = "*"  # one of them is enough, and one of them always matches
        return " ".join(
            [_spelled(self.minutes, 60), _spelled(self.hours, 24), days, _spelled(self.months, 12), weekdays]
        )


def read(expression: str) -> Fields:
    """The fields of a cron expression or of a name such as `@daily`. Raises BadInput that says what to write."""
    text = expression.strip().lower()
    if len(text) > MOST_CHARACTERS:
        raise BadInput(f"the cron expression is longer than {MOST_CHARACTERS} characters.")
    if text.startswith("@"):
        text = _macro(text)
    parts = text.split()
    if len(parts) != len(_FIELDS):
        raise BadInput(_wrong_number(expression, len(parts)))
    minutes, hours, days, months, weekdays = [
        _values(part, kind, expression) for part, kind in zip(parts, _FIELDS, strict=True)
    ]
    fields = Fields(
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=frozenset(day % 7 for day in weekdays),
        elapsed=parts[0].startswith("*") or parts[1].startswith("*"),
        both_days=parts[2].startswith("*") or parts[4].startswith("*"),
    )
    _refuse_never(fields, expression)
    return fields


def _macro(text: str) -> str:
    if text == "@reboot":
        raise BadInput('"@reboot" is not a moment on a clock. Write five fields, or a name such as "@daily".')
    if text not in MACROS:
        raise BadInput(f'there is no schedule called "{text}". {advice(text, MACROS)}')
    return MACROS[text]


def _wrong_number(expression: str, count: int) -> str:
    message = f'the cron expression "{expression}" has {counted(count, "field")}; write five: {_FIVE}.'
    if count > len(_FIELDS):
        message += " Seconds and years are not part of it: leave that field out."
    return message


def _values(part: str, kind: _Field, expression: str) -> frozenset[int]:
    found: set[int] = set()
    for item in part.split(","):
        found.update(_item(item, kind, f'the {kind.name} "{part}" of the cron expression "{expression}"'))
    return frozenset(found)


def _item(item: str, kind: _Field, where: str) -> range:
    found = _ITEM.fullmatch(item)
    if found is None:
        hint = next(
            (hint for mark, hint in _FOREIGN.items() if mark in item), 'write "*", "N", "N-M" or one of them "/S"'
        )
        raise BadInput(f'{where}: "{item}" cannot be read: {hint}.')
    star, first, last, step_text = found.groups()
    step = _step(step_text, kind, where)
    if star:
        return range(kind.lowest, (6 if kind.name == "day-of-week" else kind.highest) + 1, step)
    low = _number(first, kind, where)
    if last is None:
        return range(low, (kind.highest if step_text else low) + 1, step)
    high = _number(last, kind, where)
    if low > high:
        rising = f'"{low}-7"' if last == "sun" else f'two ranges, "{low}-{kind.highest},{kind.lowest}-{high}"'
        raise BadInput(f'{where}: the range "{first}-{last}" goes down. Write {rising}.')
    return range(low, high + 1, step)


def _step(text: str | None, kind: _Field, where: str) -> int:
    step = 1 if text is None else int(text)
    if not 1 <= step <= kind.size:
        raise BadInput(f"{where}: a step of {step} is not possible, it has to be from 1 to {kind.size}.")
    return step


def _number(text: str, kind: _Field, where: str) -> int:
    if text.isdigit():
        number = int(text)
        if not kind.lowest <= number <= kind.highest:
            raise BadInput(f"{where}: {number} is not from {kind.lowest} to {kind.highest}.")
        return number
    if not kind.names:
        raise BadInput(f'{where}: "{text}" is not a number from {kind.lowest} to {kind.highest}.')
    if text not in kind.names:
        raise BadInput(f'{where}: there is no {kind.name} "{text}". {advice(text, kind.names)}')
    return kind.names[text]


def _refuse_never(fields: Fields, expression: str) -> None:
    """Only a day of month past the end of each named month never comes: in 400 years every date meets every weekday."""
    if fields.both_days and min(fields.days) > max(_LONGEST[month - 1] for month in fields.months):
        months = ", ".join(_MONTHS[month - 1] for month in sorted(fields.months))
        raise BadInput(
            f'the cron expression "{expression}" never comes: day {min(fields.days)} does not exist in {months}. '
            "Name an earlier day, or another month."
        )


def _spelled(values: frozenset[int], size: int) -> str:
    return "*" if len(values) == size else ",".join(str(value) for value in sorted(values))
