"""When an execution may begin, as its workflow's policies say it: debounce and rate limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Debounced:
    """Of starts with the same key that follow each other within the period, the last one counts."""

    key: str
    #: Milliseconds.
    period: int
    #: Milliseconds for which later starts may put it off, counted from the first; None: no limit.
    longest: int | None = None


class Rate(NamedTuple):
    """How many may begin within any time of this length."""

    limit: int
    #: Milliseconds.
    period: int


@dataclass(frozen=True, slots=True)
class Rated:
    """So many executions with the same key begin within any time of this length."""

    key: str
    limit: int
    #: Milliseconds.
    period: int
