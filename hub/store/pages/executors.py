"""What people have decided about executors."""

from __future__ import annotations

from hub.model.audit import AuditEntry
from hub.store.executors import PAUSE, Pause, pause_look
from hub.store.pages.page import Page
from hub.store.reads import upkeep as reads


class ExecutorsPage(Page):
    """What people have decided about executors."""

    async def pause(self, executor: str, *, paused: bool, entry: AuditEntry | None = None) -> None:
        await self._change(PAUSE, Pause(executor, paused), entry, pause_look(executor))

    async def paused_executors(self) -> set[str]:
        return await self._read(reads.paused_executors)
