"""Keeps the triggers of a watched database as the executors want them, and says what was amiss."""

from __future__ import annotations

import logging

from hub.model.errors import HubError
from hub.triggers.record_events.wanted import Wanted
from hub.triggers.record_events.watched import Finding, Watched

log = logging.getLogger(__name__)


class Keeper:
    """Run it at the start, when the schema moved, when executors were reloaded, and every hour."""

    def __init__(self, watched: Watched, wanted: Wanted) -> None:
        #: What the executors want; set it anew when they change.
        self.wanted = wanted
        #: What the last check found.
        self.findings: tuple[Finding, ...] = ()
        #: Why the last check could not be made, for people; None: it was made.
        self.trouble: str | None = None
        self._watched = watched

    async def run_once(self) -> int:
        """Check, and mend what is amiss. How many triggers were made, replaced or dropped."""
        try:
            done = await self._watched.install(self.wanted)
        except HubError as error:
            self.trouble = str(error)
            return 0
        self.trouble = None
        known = {(one.table, one.sentence) for one in self.findings}
        for one in done.findings:
            if (one.table, one.sentence) not in known:
                level = logging.INFO if one.kind == "declared" else logging.WARNING
                log.log(level, "database %s: %s: %s", self._watched.namespace, one.kind, one.sentence)
        self.findings = done.findings
        return len(done.changes)
