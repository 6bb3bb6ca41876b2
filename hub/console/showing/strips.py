"""Sparklines: counts as bars of an SVG, made on the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: Units of the drawing: a bar and its gap, and the height of the tallest bar.
STEP, HEIGHT = 6, 20
_LEAST = 1.5


@dataclass(frozen=True, slots=True)
class Bar:
    x: int
    y: float
    height: float
    #: What it says when it is pointed at.
    title: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Strip:
    bars: tuple[Bar, ...]
    width: int
    height: int = HEIGHT


def strip(counts: Sequence[int], titles: Sequence[str], tones: Sequence[str] = ()) -> Strip:
    """A bar a count, the greatest as high as the strip. Zero is a hairline, one of a thousand is still seen."""
    most = max([*counts, 1])
    bars = []
    for place, (count, title) in enumerate(zip(counts, titles, strict=True)):
        height = 0.5 if count == 0 else max(_LEAST, round(HEIGHT * count / most, 2))
        tone = tones[place] if tones else ("none" if count == 0 else "")
        bars.append(Bar(place * STEP, HEIGHT - height, height, title, tone))
    return Strip(tuple(bars), max(len(counts), 1) * STEP)
