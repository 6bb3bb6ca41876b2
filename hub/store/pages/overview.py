"""The store at a glance: what a person sees first, at a cost that does not grow with what is stored."""

from __future__ import annotations

from collections.abc import Sequence

from hub.model.event import Delivery
from hub.model.execution import ExecutionRecord
from hub.model.schedule import StoredSchedule
from hub.store.pages.page import Page
from hub.store.reads import overview as reads


class OverviewPage(Page):
    """The store at a glance."""

    async def sources_between(self, begin: int, end: int) -> dict[str, int]:
        """How many events of each source were stored in `[begin, end)`, milliseconds since 1970 UTC."""
        return await self._read(reads.sources_between, begin, end)

    async def outcomes_between(self, begin: int, end: int) -> dict[str, int]:
        """How many deliveries of events of that time had each outcome."""
        return await self._read(reads.outcomes_between, begin, end)

    async def failed_executions(self, since: int, limit: int) -> list[ExecutionRecord]:
        """That ended at `since` or later, the latest first."""
        return await self._read(reads.failed_executions, since, limit)

    async def failed_deliveries(self, since: int, limit: int) -> list[Delivery]:
        """Of events at `since` or later, newest first."""
        return await self._read(reads.failed_deliveries, since, limit)

    async def statuses(self, ids: Sequence[str]) -> dict[str, str]:
        """The status of each of these executions that there still is."""
        return await self._read(reads.statuses, ids)

    async def oldest_new_event(self) -> int | None:
        """When the oldest event came that dispatch has not seen."""
        return await self._read(reads.oldest_new_event)

    async def next_schedules(self, limit: int, after: tuple[int, str] | None = None) -> list[StoredSchedule]:
        """Those that come next, the earliest first; behind an instant and a name."""
        return await self._read(reads.next_schedules, limit, after)

    async def fires_of(self, names: Sequence[str]) -> dict[str, int]:
        """When each of these schedules comes next; those that never do are left out."""
        return await self._read(reads.fires_of, names)

    async def executions_with_ids(self, ids: Sequence[str]) -> list[ExecutionRecord]:
        """Newest first, without their jobs."""
        return await self._read(reads.executions_with_ids, ids)

    async def children_of(self, execution_id: str, limit: int) -> list[ExecutionRecord]:
        """Newest first, without their jobs."""
        return await self._read(reads.children_of, execution_id, limit)

    async def open_executions(self, most: int) -> dict[str, int]:
        """How many executions of each status have not ended; no status is counted further than `most`."""
        return await self._read(reads.open_executions, most)
