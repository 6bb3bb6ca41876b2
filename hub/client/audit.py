"""The record of who changed what."""

from __future__ import annotations

from hub.client.verbs import Verbs
from hub.model.audit import AuditCheck, AuditRecord


class AuditVerbs(Verbs):
    """The record of who changed what."""

    async def audit(
        self, *, who: str | None = None, object: str | None = None, before: int | None = None, limit: int = 50
    ) -> list[AuditRecord]:
        """Newest first, behind the number `before`; of one principal's label, or of one object."""
        self._require("audit:read")
        return await self._store.audit(who=who, object=object, before=before, limit=limit)

    async def check_audit(self) -> AuditCheck:
        """Whether every record is as it was written, and none is missing."""
        self._require("audit:read")
        return await self._store.check_audit()
