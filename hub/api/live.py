"""Executions as they go on: what changes is told as it is committed, nobody asks again and again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from hub.api.problems import TooMany
from hub.client import Client
from hub.engine.waking import Waker
from hub.model.execution import ENDED, Checkpoint, ExecutionRecord, LogLine
from hub.store.committing import Operation
from hub.store.witness import touched

#: Followers at the same time, of one principal and of all.
MOST_OF_ONE, MOST = 8, 64
#: Seconds that changes are gathered before they are told, and after which one looks although nothing was heard: other
#: processes may write too.
_GATHERED, _LOOK = 0.04, 1.0
_LINES = 1_000


@dataclass(frozen=True, slots=True)
class Change:
    """What is new of an execution since the change before."""

    #: With its jobs.
    record: ExecutionRecord
    #: It is another one than before: status, attempts, result.
    changed: bool
    #: Calls that are new, or stand otherwise than before.
    jobs: tuple[Checkpoint, ...]
    #: Lines that were written, each with its number.
    lines: tuple[tuple[int, LogLine], ...]

    @property
    def last(self) -> bool:
        """Nothing comes after it."""
        return self.record.status in ENDED and len(self.lines) < _LINES


class Live:
    """Wakes those who follow an execution when something of it is committed. A witness of the store."""

    def __init__(self) -> None:
        self._followers: dict[str, set[Waker]] = {}
        self._seats: Counter[str] = Counter()
        self._closed = False

    def __call__(self, operations: Sequence[Operation], _seconds: float) -> None:
        """Some operations are durable. On the writer's thread."""
        if self._followers:
            for execution_id in touched(operations, self._followers):
                for waker in tuple(self._followers.get(execution_id, ())):
                    waker.ring()

    def ring(self) -> None:
        """Anything may have changed. From any thread."""
        for wakers in tuple(self._followers.values()):
            for waker in tuple(wakers):
                waker.ring()

    def close(self) -> None:
        """Let everybody go: the hub stops."""
        self._closed = True
        self.ring()

    @property
    def following(self) -> int:
        """How many follow something now."""
        return sum(self._seats.values())

    @contextmanager
    def seat(self, who: str) -> Iterator[None]:
        """A place among those who follow. Raises TooMany."""
        if self._seats[who] >= MOST_OF_ONE or self.following >= MOST:
            raise TooMany(f"{self._seats[who]} streams are open already: close one of them, or try again later.", 5)
        self._seats[who] += 1
        try:
            yield
        finally:
            self._seats[who] -= 1
            self._seats += Counter()  # forget who has none

    async def follow(self, client: Client, execution_id: str, after: int = 0) -> AsyncIterator[Change]:
        """The whole of it, then every change until it has ended; its lines behind number `after`.

        Raises ExecutionNotFound, or Refused, also later when the right is taken away.
        """
        waker = Waker()
        waker.bind()
        self._followers.setdefault(execution_id, set()).add(waker)
        try:
            known: dict[str, Checkpoint] = {}
            before: ExecutionRecord | None = None
            while not self._closed:
                record = await client.execution(execution_id)
                lines = tuple((await client.logs_page(execution_id, after=after, limit=_LINES)).items)
                jobs = tuple(call for call in record.jobs if known.get(call.path) != call)
                change = Change(record, before is None or not _same_state(before, record), jobs, lines)
                if change.changed or jobs or lines or change.last:
                    yield change
                if change.last:
                    return
                known.update({call.path: call for call in jobs})
                before, after = record, lines[-1][0] if lines else after
                if len(lines) < _LINES and await waker.wait(_LOOK):
                    await asyncio.sleep(_GATHERED)
        finally:
            self._followers[execution_id].discard(waker)
            if not self._followers[execution_id]:
                del self._followers[execution_id]


def _same_state(one: ExecutionRecord, other: ExecutionRecord) -> bool:
    """Whether nothing has changed between them but jobs and lines."""
    return (one.status, one.attempts, one.reason, one.due_at, one.finished_at) == (
        other.status,
        other.attempts,
        other.reason,
        other.due_at,
        other.finished_at,
    )
