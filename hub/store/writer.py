"""The writer as its callers see it: they hand it a verb and await it; everything queued up is committed at once, then they wake."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from hub.store.verbs import Verb

T = TypeVar("T")
R = TypeVar("R")

#: With an operation, whatever rides along is written; this one writes nothing itself.
NOTHING: Verb[None, None] = Verb("flush", lambda _tx, items: [None for _ in items])


@dataclass(frozen=True, slots=True)
class Errand:
    """What is to be done in the transaction of others."""

    verb: Verb[Any, Any]
    item: Any
    #: Given the result or the exception, in the loop of who has invited.
    done: Callable[[Any], None]


#: Told the verbs of a batch, on the writer's thread.
Guest = Callable[[Sequence[Verb[Any, Any]]], Errand | None]


class Writer(Protocol):
    """Makes verbs durable."""

    #: Seconds until who gives no timeout is refused as well; None: they wait until it can be written.
    patience: float | None

    @property
    def outage(self) -> float | None:
        """For how many seconds nothing could be written, when that is longer than usual; None: all is well."""
        ...

    def submit(self, verb: Verb[T, R], item: T, *, timeout: float | None = None) -> asyncio.Future[R]:
        """Durable when the future is done. With a timeout in seconds, StoreUnavailable when it could not be in time."""
        ...

    def hand_in(
        self, verb: Verb[T, R], item: T, done: Callable[[R | Exception], None], *, timeout: float | None = None
    ) -> None:
        """As `submit`, for callers without a coroutine: the result or the exception is given to `done`, on this loop."""
        ...

    def ride(self, verb: Verb[T, Any], key: Hashable, item: T) -> None:
        """Goes along with a coming batch; nobody waits. A later one of the same key takes its place."""
        ...

    def forget(self, verb: Verb[T, Any], key: Hashable) -> None:
        """The rider is no longer of interest, should it still be here."""
        ...

    def invite(self, guest: Guest | None) -> None:
        """Before each small batch `guest` is asked whether something is to be done in the same transaction. None: nobody is."""
        ...

    async def flush(self) -> None:
        """Durable when it returns: everything handed over before, riders too."""
        ...

    async def close(self) -> None:
        """Commit what is queued, then let go of the database."""
        ...


def settle(future: asyncio.Future[Any], result: Any) -> None:
    """Give a caller's future its result, or raise the exception there."""
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
