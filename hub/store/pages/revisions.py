"""Revisions: executions that began with another definition."""

from __future__ import annotations

from collections.abc import Sequence

from hub.store.pages.page import Page
from hub.store.reads import revisions as reads
from hub.store.revisions import DOUBT, Doubt


class RevisionsPage(Page):
    """Revisions: executions that began with another definition."""

    async def parked_revisions(self) -> list[tuple[str, str]]:
        """The workflows and revisions of executions that have begun, have not ended and are held by nobody."""
        return await self._read(reads.parked_revisions)

    async def parked(self, workflow: str, revision: str, limit: int) -> Sequence[str]:
        """Ids of such executions of one workflow and revision, the oldest first."""
        return await self._read(reads.parked, workflow, revision, limit)

    async def doubt(self, doubt: Doubt) -> bool:
        """Say on a parked execution why it needs a person; False: it is not parked any more."""
        return await self._writer.submit(DOUBT, doubt)
