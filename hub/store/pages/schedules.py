"""Schedules and their slots."""

from __future__ import annotations

from collections.abc import Sequence

from hub.model.schedule import Slot, StoredSchedule
from hub.store.pages.page import Page
from hub.store.reads import upkeep as reads
from hub.store.schedules import PUT_SCHEDULES, RECORD_SLOTS, PutSchedules, RecordSlots


class SchedulesPage(Page):
    """Schedules and their slots."""

    async def schedules(self) -> list[StoredSchedule]:
        return await self._read(reads.schedules)

    async def schedule(self, executor: str) -> StoredSchedule | None:
        """The stored schedule of one executor."""
        return await self._read(reads.schedule, executor)

    async def due_schedules(self, now: int, limit: int) -> list[StoredSchedule]:
        return await self._read(reads.schedules, now, limit)

    async def put_schedules(self, rows: Sequence[StoredSchedule], gone: Sequence[str]) -> None:
        await self._writer.submit(PUT_SCHEDULES, PutSchedules(tuple(rows), tuple(gone)))

    async def record_slots(self, executor: str, slots: Sequence[Slot], next_fire_at: int | None, expected: int) -> int:
        """Each slot once, its event in the same transaction; how many were new."""
        return await self._writer.submit(
            RECORD_SLOTS, RecordSlots(executor, tuple(slots), next_fire_at, expected, self._clock.now())
        )
