"""A verb: something that the store can be asked to make durable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from hub.store.dialects.base import Tx

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, eq=False)
class Verb(Generic[T, R]):
    """Applied to all the items that have queued up, in one transaction.

    `apply` hands back one result an item; an exception in that place is raised at that caller alone.
    """

    name: str
    apply: Callable[[Tx, Sequence[T]], Sequence[R | Exception]]
    #: What has become due when it has committed: "events", "executions". Somebody may be waiting for that.
    rings: tuple[str, ...] = ()
    #: Within one transaction lower ones come first: marks, checkpoints, settling, moves, claims.
    order: int = 0


class Mixed(Exception):
    """Some of the items were refused and some were not: applied one by one they tell which. Raised by an `apply`.

    What a statement changed is a number that is had for nothing; to have it name every row is dear.
    """


#: Two moments of a commit at which a test may end the process.
Probe = Callable[[str, Sequence[str]], None]


def no_probe(_moment: str, _verbs: Sequence[str]) -> None:
    """Nothing happens at either moment."""


Bell = Callable[[str], None]


def no_bell(_topic: str) -> None:
    """Nobody waits."""
