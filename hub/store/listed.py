"""Part of a list that has ended early, because what is in it is large."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

#: Characters and bytes of stored texts and bodies that a page may hold; one thing may always be on it.
MOST_SIZE = 8_388_608


class Listed(list[T]):
    """Things of a list, as many as were asked for or as were there, unless it was `cut`."""

    #: There are more, which would have been too much at once.
    cut = False


def within(sized: Iterable[tuple[T, int]], most: int = MOST_SIZE) -> Listed[T]:
    """The first things, each with its size, up to the one that exceeds `most`. What comes behind is not looked at."""
    found: Listed[T] = Listed()
    total = 0
    for one, size in sized:
        total += size
        if found and total > most:
            found.cut = True
            break
        found.append(one)
    return found
