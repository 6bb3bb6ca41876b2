"""Outbox rows become events of the hub, each once, in the order of their commits."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Protocol

from hub.model.errors import BadInput, HubError
from hub.model.event import NewEvent, StoredEvent
from hub.triggers.record_events.watched import OutboxRow, Watched

log = logging.getLogger(__name__)

_MOST_AT_ONCE = 500


class EventStore(Protocol):
    """Where events go."""

    async def store_events(self, events: Sequence[NewEvent]) -> list[StoredEvent]:
        """Durable when it returns; a known (source, key) is answered as a duplicate."""
        ...


class Drain:
    """Copies waiting changes into the store, then deletes them. One for each watched database."""

    def __init__(self, watched: Watched, port: EventStore, *, batch: int = _MOST_AT_ONCE) -> None:
        #: Why nothing is handed over at the moment, for people; None: all is well.
        self.trouble: str | None = None
        self._watched = watched
        self._port = port
        self._batch = batch
        # Stored, but their deletion failed: a database can be read while another process holds its write lock.
        self._stored: list[OutboxRow] = []

    async def run_once(self) -> int:
        """Hand over one batch. How many changes it held; 0 when none waits, or with `trouble`.

        An event that the store refuses as it is (BadInput) is set aside, so that those behind it go on.
        """
        try:
            await self._forget()
            rows = await self._watched.read(self._batch)
            if rows:
                await self._hand_over(rows)
                await self._forget()
        except HubError as error:
            self.trouble = str(error)
            return 0
        self.trouble = None
        return len(rows)

    async def _hand_over(self, rows: Sequence[OutboxRow]) -> None:
        readable = [row for row in rows if row.unreadable is None]
        for row in rows:
            if row.unreadable is not None:
                await self._set_aside(row, row.unreadable)
        try:
            await self._store(readable)
        except BadInput:
            for row in readable:
                await self._store_alone(row)

    async def _store_alone(self, row: OutboxRow) -> None:
        try:
            await self._store([row])
        except BadInput as error:
            await self._set_aside(row, str(error))

    async def _set_aside(self, row: OutboxRow, why: str) -> None:
        log.warning(
            "database %s: a change of %s cannot be handed over and is kept aside: %s",
            self._watched.namespace,
            row.model,
            why,
        )
        await self._watched.set_aside(row, why)

    async def _store(self, rows: Sequence[OutboxRow]) -> None:
        if rows:
            await self._port.store_events([event_of(self._watched.namespace, row) for row in rows])
            self._stored.extend(rows)

    async def _forget(self) -> None:
        if self._stored:
            await self._watched.delete(self._stored)
            self._stored = []


def event_of(namespace: str, row: OutboxRow) -> NewEvent:
    """The event of a change; dispatch finds its executors by namespace, type and model."""
    return NewEvent(
        source=f"record:{namespace}",
        key=row.key,
        type=row.kind,
        time=row.at,
        payload={
            "event": row.kind.removeprefix("record."),
            "new": row.new,
            "old": row.old,
            "changed": changed(row.old, row.new),
            "actor": row.actor,
        },
        namespace=namespace,
        model=row.model,
    )


def changed(old: dict[str, Any] | None, new: dict[str, Any] | None) -> list[str]:
    """Columns whose value an update changed, in the table's order; empty for a new row and for a deletion.

    1 and 1.0 are equal, as they are to SQL. An update that sets what was there already changes nothing.
    """
    if old is None or new is None:
        return []
    return [column for column, value in new.items() if column not in old or old[column] != value]
