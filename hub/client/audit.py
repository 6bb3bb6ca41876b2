"""The record of who changed what."""

from __future__ import annotations

from hub.client.verbs import Verbs
from hub.model.audit import AuditCheck


class AuditVerbs(Verbs):
    """The record of who changed what."""

    async def check_audit(self) -> AuditCheck:
        """Whether every record is as it was written, and none is missing."""
        self._require("audit:read")
        return await self._store.check_audit()
