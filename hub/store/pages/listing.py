"""Lists of what may be many, a page at a time."""

from __future__ import annotations

from hub.model.event import Delivery, Event
from hub.model.execution import ExecutionRecord
from hub.model.schedule import RecordedSlot
from hub.model.wait import WaitKind, WaitRecord
from hub.store.pages.page import Page
from hub.store.reads import listing as reads
from hub.store.refused import RefusedDelivery


class ListingPage(Page):
    """Lists, newest first; `before` is the key of the last thing on the page before."""

    async def list_executions(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        executor: str | None = None,
        since: int | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> list[ExecutionRecord]:
        """Without their jobs and large results; `since` in milliseconds since 1970 UTC."""
        return await self._read(
            reads.executions,
            workflow=workflow,
            status=status,
            executor=executor,
            since=since,
            before=before,
            limit=limit,
        )

    async def list_events(
        self,
        *,
        executor: str | None = None,
        outcome: str | None = None,
        since: int | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> list[Event]:
        return await self._read(
            reads.events, executor=executor, outcome=outcome, since=since, before=before, limit=limit
        )

    async def list_deliveries(self, executor: str, before: str | None, limit: int) -> list[Delivery]:
        return await self._read(reads.deliveries, executor=executor, before=before, limit=limit)

    async def list_wait_points(
        self, *, execution_id: str | None, open_only: bool, before: tuple[int, str, str] | None, limit: int
    ) -> list[WaitRecord]:
        return await self._read(
            reads.waits,
            kind=WaitKind.POINT.value,
            execution_id=execution_id,
            open_only=open_only,
            before=before,
            limit=limit,
        )

    async def list_slots(self, executor: str, before: int | None, limit: int) -> list[RecordedSlot]:
        return await self._read(reads.slots, executor=executor, before=before, limit=limit)

    async def list_refused(self, executor: str | None, before: int | None, limit: int) -> list[RefusedDelivery]:
        return await self._read(reads.refused, executor=executor, before=before, limit=limit)
