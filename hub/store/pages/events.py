"""Events and what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from hub.model.audit import AuditEntry
from hub.model.clock import new_id
from hub.model.event import Delivery, Event, NewEvent, StoredEvent
from hub.store.events import (
    DISPATCH,
    DISPATCH_CANCELING,
    STORE_EVENT,
    STORE_EVENTS,
    Dispatched,
    arrival,
    event_of,
    received,
)
from hub.store.pages.page import Page
from hub.store.reads import events as reads
from hub.store.replays import REPLAY
from hub.store.undispatched import UNDISPATCHED, WHOLE, Look, Part


class EventsPage(Page):
    """Events and what became of them."""

    async def store_event(
        self,
        event: NewEvent,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the writer gives up, so that nothing is written afterwards
    ) -> StoredEvent:
        """Make the event durable. Raises StoreUnavailable when that took longer than `timeout` seconds."""
        return await self._writer.submit(STORE_EVENT, arrival(event, self._clock.now()), timeout=timeout)

    async def store_manual(self, event: NewEvent, entry: AuditEntry) -> StoredEvent:
        """Make an event durable that somebody made by hand."""
        made = arrival(event, self._clock.now())
        return await self._change(STORE_EVENT, made, entry, told=lambda stored: f"event {stored.id}")

    def hand_in_event(self, event: NewEvent, done: Callable[[StoredEvent | Exception], None], timeout: float) -> None:
        """The same, for callers who do not wait in a coroutine."""
        self._writer.hand_in(STORE_EVENT, arrival(event, self._clock.now()), done, timeout=timeout)

    def hand_in_rows(
        self,
        rows: Sequence[tuple[Sequence[Any], bytes]],
        done: Callable[[Sequence[StoredEvent] | Exception], None],
        timeout: float,
    ) -> None:
        """The same for several that another process has made and `sent`; an exception is said of all of them."""
        self._writer.hand_in(STORE_EVENTS, [received(row, data) for row, data in rows], done, timeout=timeout)

    async def store_events(self, events: Sequence[NewEvent]) -> list[StoredEvent]:
        """Make them all durable; they share a transaction when they fit one. Their ids are in the order in which they are given."""
        now = self._clock.now()
        # Within a millisecond ids are in no order of their own, and people read events by them.
        ids = sorted(new_id(now) for _ in events)
        arrivals = [arrival(event, now, name) for name, event in zip(ids, events, strict=True)]
        return list(await asyncio.gather(*[self._writer.submit(STORE_EVENT, one) for one in arrivals]))

    async def dispatch(self, dispatched: Dispatched) -> bool:
        """Record what became of an event, and start what it starts. False: somebody else had done it."""
        cancels = any(start.overlap == "cancel_running" for start in dispatched.starts)
        return await self._writer.submit(DISPATCH_CANCELING if cancels else DISPATCH, dispatched)

    async def replay(self, dispatched: Dispatched, entry: AuditEntry | None = None) -> list[Delivery]:
        """Record further deliveries of an event, and start what they start."""
        return await self._change(REPLAY, dispatched, entry, told=_outcomes)

    async def new_events(self, after: str = "", limit: int = 500) -> list[Event]:
        """Events that dispatch has not seen, oldest first, behind the id `after`."""
        return await self._read(reads.new_events, after, limit)

    async def undispatched(
        self, limit: int = 500, behind: str = "", part: Part = WHOLE, crowd: frozenset[str] = frozenset()
    ) -> tuple[list[Event], set[str], str]:
        """Events that dispatch has not seen, of each source its share, and the executors that are paused, if there are any events.

        The third is the source behind which the next look goes on, where many share. `part`: what this node takes first.
        `crowd`: sources that are left out.
        """
        found = await self._writer.submit(UNDISPATCHED, Look(limit, behind, part, crowd))
        return [event_of(row) for row in found.rows], found.paused, found.behind

    async def event(self, event_id: str) -> Event | None:
        return await self._read(reads.event, event_id)

    async def events(
        self,
        *,
        executor: str | None = None,
        outcome: str | None = None,
        since: int | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> list[Event]:
        """Newest first."""
        return await self._read(
            reads.events, executor=executor, outcome=outcome, since=since, limit=limit, before=before
        )

    async def deliveries(
        self, *, event_ids: Sequence[str] | None = None, executor: str | None = None, limit: int = 1000
    ) -> list[Delivery]:
        return await self._read(reads.deliveries, event_ids=event_ids, executor=executor, limit=limit)

    async def delivery(self, delivery_id: str) -> Delivery | None:
        return await self._read(reads.delivery, delivery_id)


def _outcomes(deliveries: Sequence[Delivery]) -> str:
    return ", ".join(f"{one.executor} {one.outcome.value}" for one in deliveries)
