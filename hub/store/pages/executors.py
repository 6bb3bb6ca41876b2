"""What people have decided about executors."""

from __future__ import annotations

from collections.abc import Sequence

from hub.model.audit import AuditEntry
from hub.store.executors import APPLY, PAUSE, Apply, Pause, pause_look
from hub.store.pages.page import Page
from hub.store.reads import upkeep as reads


class ExecutorsPage(Page):
    """What people have decided about executors."""

    async def pause(self, executor: str, *, paused: bool, entry: AuditEntry | None = None) -> None:
        await self._change(PAUSE, Pause(executor, paused), entry, pause_look(executor))

    async def apply_executors(
        self,
        put: Sequence[tuple[str, str]],
        gone: Sequence[str],
        entry: AuditEntry | None = None,
        said: str = "",
    ) -> None:
        """Record which executors are in effect: (name, hash), and those that are not any more. `said` is told of it."""
        await self._change(APPLY, Apply(tuple(put), tuple(gone)), entry, told=lambda _: said)

    async def applied_executors(self) -> dict[str, str]:
        """Name -> hash of each executor that is in effect."""
        return await self._read(reads.applied_executors)

    async def paused_executors(self) -> set[str]:
        return await self._read(reads.paused_executors)
