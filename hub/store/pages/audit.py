"""The record of who changed what."""

from __future__ import annotations

from hub.model.audit import AuditCheck, AuditEntry, AuditRecord
from hub.store.audit import RECORD
from hub.store.pages.page import Page
from hub.store.reads import audit as reads


class AuditPage(Page):
    """The record of who changed what."""

    async def record(
        self,
        entry: AuditEntry,
        result: str,
        *,
        before: str | None = None,
        after: str | None = None,
        seconds: float | None = None,
    ) -> None:
        """Write a record by itself: of what failed before it reached the store, or is changed outside of it.

        Raises StoreUnavailable when it could not be written within `seconds`.
        """
        record = AuditRecord(entry.at, entry.who, entry.action, entry.object, result, before, after)
        await self._writer.submit(RECORD, record, timeout=seconds)
        entry.recorded = True

    async def audit(
        self, *, who: str | None = None, object: str | None = None, before: int | None = None, limit: int = 50
    ) -> list[AuditRecord]:
        """Newest first, behind the number `before`."""
        return await self._read(reads.audit, who=who, object=object, before=before, limit=limit)

    async def check_audit(self) -> AuditCheck:
        """Whether every record is as it was written, and none is missing."""
        return await self._read(reads.check_audit)
