"""Policies as values: how often to try again, how much may run at once, and how much may begin."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from hub.model.durations import milliseconds, spoken

Duration = str | float | timedelta
#: One class of exceptions, or several.
Kinds = type[BaseException] | Iterable[type[BaseException]]

_INDEX = re.compile(r"\[([0-9]{1,9})\]")
_KEY = re.compile(rf"input(?:\.[^.\[\]]+|{_INDEX.pattern})+")
_MOST_RETRIES = 10
_LONGEST_INITIAL = 3_600_000
_USUAL_BACKOFF = 30_000
#: Milliseconds that no retry waits longer than.
LONGEST_BACKOFF = 86_400_000
_MOST_CONCURRENT = 1_000
_MOST_BEGUN = 10_000
_MOST_PRIORITY = 1_000
_LONGEST_PERIOD = 31 * 86_400_000


class RetryPolicy:
    """Try again after a failure, waiting longer each time, with full jitter.

    The wait before retry n is a random part of `initial_backoff * backoff_multiplier ** (n - 1)`, at most
    `max_backoff`, which is 30 s unless the first one is longer. Durations are texts such as "500ms", "30s", "5m", or seconds. Raises ValueError beyond the limits.
    """

    __slots__ = ("backoff_multiplier", "initial_backoff", "max_backoff", "max_retries", "never_on", "retry_on")

    def __init__(
        self,
        max_retries: int = 3,
        initial_backoff: Duration = "1s",
        max_backoff: Duration | None = None,
        backoff_multiplier: float = 2,
        *,
        retry_on: Kinds = (Exception,),
        never_on: Kinds = (),
    ) -> None:
        self.max_retries = max_retries
        #: Milliseconds.
        self.initial_backoff = milliseconds(initial_backoff)
        #: Milliseconds.
        self.max_backoff = (
            max(self.initial_backoff, _USUAL_BACKOFF) if max_backoff is None else milliseconds(max_backoff)
        )
        self.backoff_multiplier = backoff_multiplier
        self.retry_on = _kinds("retry_on", retry_on)
        self.never_on = _kinds("never_on", never_on)
        _refuse_beyond("max_retries", max_retries, _MOST_RETRIES)
        if self.initial_backoff > _LONGEST_INITIAL:
            raise ValueError(f"initial_backoff is {spoken(self.initial_backoff)}: it must be at most 1h")
        if self.max_backoff > LONGEST_BACKOFF:
            raise ValueError(f"max_backoff is {spoken(self.max_backoff)}: it must be at most 24h")
        if self.max_backoff < self.initial_backoff:
            raise ValueError("max_backoff is shorter than initial_backoff")
        is_number = isinstance(backoff_multiplier, int | float) and not isinstance(backoff_multiplier, bool)
        if not is_number or not 1 <= backoff_multiplier < math.inf:
            raise ValueError(f"backoff_multiplier is {backoff_multiplier!r}: it must be a number, and at least 1")

    def __repr__(self) -> str:
        return (
            f"RetryPolicy(max_retries={self.max_retries}, initial_backoff={spoken(self.initial_backoff)!r}, "
            f"max_backoff={spoken(self.max_backoff)!r}, backoff_multiplier={self.backoff_multiplier})"
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "max_retries": self.max_retries,
            "initial_backoff": spoken(self.initial_backoff),
            "max_backoff": spoken(self.max_backoff),
            "backoff_multiplier": self.backoff_multiplier,
        }


class ConcurrencyPolicy:
    """How many executions of a workflow may run at once; with `key`, how many of each value of it.

    `key` is a path into the input, such as "input.customer_id". With one at once, the executions of a key run in the order in which they
    were started; one that is parked (a question, a retry that is due later) lets the next one begin. Raises ValueError beyond the limits.
    """

    __slots__ = ("key", "max_concurrent_executions")

    def __init__(self, max_concurrent_executions: int, key: str | None = None) -> None:
        _refuse_beyond("max_concurrent_executions", max_concurrent_executions, _MOST_CONCURRENT)
        _refuse_no_path(key)
        self.max_concurrent_executions = max_concurrent_executions
        self.key = key

    def __repr__(self) -> str:
        return f"ConcurrencyPolicy({self.max_concurrent_executions}, key={self.key!r})"

    def as_json(self) -> dict[str, Any]:
        return {"max_concurrent_executions": self.max_concurrent_executions, "key": self.key}


class Debounce:
    """Of starts that follow each other within `period`, only the last one runs; the others are CANCELED, with its id.

    With `key`, a path into the input such as "input.customer_id", the starts of each value by itself. `longest` is for how
    long a start may be put off by later ones altogether. Raises ValueError beyond the limits.
    """

    __slots__ = ("key", "longest", "period")

    def __init__(self, period: Duration, key: str | None = None, longest: Duration | None = None) -> None:
        #: Milliseconds.
        self.period = milliseconds(period)
        #: Milliseconds; None: no limit.
        self.longest = None if longest is None else milliseconds(longest)
        _refuse_length("period", self.period)
        if self.longest is not None and self.longest < self.period:
            raise ValueError("longest is shorter than period")
        _refuse_no_path(key)
        self.key = key

    def __repr__(self) -> str:
        return "Debounce({period!r}, key={key!r}, longest={longest!r})".format(**self.as_json())

    def as_json(self) -> dict[str, Any]:
        longest = None if self.longest is None else spoken(self.longest)
        return {"period": spoken(self.period), "key": self.key, "longest": longest}


class RateLimit:
    """So many executions begin within any time of the length `period`; the others wait for their turn.

    With `key`, a path into the input such as "input.customer_id", so many of each value. Retries and resumes do not count.
    Raises ValueError beyond the limits.
    """

    __slots__ = ("key", "limit", "period")

    def __init__(self, limit: int, period: Duration, key: str | None = None) -> None:
        _refuse_beyond("limit", limit, _MOST_BEGUN)
        self.limit = limit
        #: Milliseconds.
        self.period = milliseconds(period)
        _refuse_length("period", self.period)
        _refuse_no_path(key)
        self.key = key

    def __repr__(self) -> str:
        return f"RateLimit({self.limit}, {spoken(self.period)!r}, key={self.key!r})"

    def as_json(self) -> dict[str, Any]:
        return {"limit": self.limit, "period": spoken(self.period), "key": self.key}


def checked_priority(priority: int) -> int:
    """Raises ValueError unless it is a whole number from -1000 to 1000."""
    if isinstance(priority, bool) or not isinstance(priority, int) or abs(priority) > _MOST_PRIORITY:
        raise ValueError(
            f"priority is {priority}: it must be a whole number from -{_MOST_PRIORITY} to {_MOST_PRIORITY}"
        )
    return priority


def refuse_other(name: str, given: Any, wanted: type) -> None:
    """Raise TypeError unless it is of that kind, or None."""
    if given is not None and not isinstance(given, wanted):
        raise TypeError(f"{name} is {given!r}: it must be a {wanted.__name__}")


def time_limit(given: Duration | None) -> int | None:
    """In milliseconds; None: no limit. Raises ValueError for what is no duration, or none at all."""
    limit = None if given is None else milliseconds(given)
    if limit == 0:
        raise ValueError(f"timeout is {given!r}: it must be longer than nothing; leave it out for no limit")
    return limit


def _refuse_beyond(name: str, given: int, most: int) -> None:
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= most:
        raise ValueError(f"{name} is {given!r}: it must be a whole number from 1 to {most}")


def _kinds(name: str, given: Kinds) -> tuple[type[BaseException], ...]:
    kinds = (given,) if isinstance(given, type) else tuple(given)
    for kind in kinds:
        if not isinstance(kind, type) or not issubclass(kind, BaseException):
            raise ValueError(f"{name} holds {kind!r}: it must be made of exception classes")
    return kinds


def _refuse_length(name: str, given: int) -> None:
    if not 1 <= given <= _LONGEST_PERIOD:
        raise ValueError(f"{name} is {spoken(given)}: it must be from 1ms to 31d")


def path_into_input(key: str) -> list[str]:
    """The names to follow: of "input.items[0].id", which may be written "input.items.0.id" too, ["items", "0", "id"]."""
    return _INDEX.sub(r".\1", key).split(".")[1:]


def _refuse_no_path(key: str | None) -> None:
    if key is not None and (not isinstance(key, str) or _KEY.fullmatch(key) is None):
        raise ValueError(
            f'key is "{key}": write a path into the input, such as "input.customer_id" or "input.items[0].id"'
        )
