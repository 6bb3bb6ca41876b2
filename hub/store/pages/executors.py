"""What people have decided about executors."""

from __future__ import annotations

from hub.store.executors import PAUSE, Pause
from hub.store.pages.page import Page
from hub.store.reads import upkeep as reads


class ExecutorsPage(Page):
    """What people have decided about executors."""

    async def pause(self, executor: str, *, paused: bool) -> None:
        await self._writer.submit(PAUSE, Pause(executor, paused))

    async def paused_executors(self) -> set[str]:
        return await self._read(reads.paused_executors)
