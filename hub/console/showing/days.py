"""A schedule's day before and day after now, as dots on a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.console.showing.moments import exactly
from hub.console.showing.states import chip

#: The drawing: so many units from a day ago to a day from now.
WIDTH = 480
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Dot:
    """A slot. Those to come have no tone yet."""

    x: float
    tone: str
    title: str


def day(past: Sequence[tuple[int, str]], coming: Sequence[int], now: int) -> list[Dot]:
    """`past` are instants with what became of them."""
    dots = [Dot(place_of(at, now), f"tone-{chip(state).tone}", f"{exactly(at)}: {state}") for at, state in past]
    dots += [Dot(place_of(at, now), "coming", exactly(at)) for at in coming]
    return [dot for dot in dots if 0 <= dot.x <= WIDTH]


def place_of(at: int, now: int) -> float:
    """Where on the line an instant is."""
    return round((at - now + DAY_MS) / (2 * DAY_MS) * WIDTH, 1)
