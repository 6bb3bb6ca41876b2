"""Executions whose workflow has changed since they began."""

from __future__ import annotations

from hub.client.verbs import Verbs, subject
from hub.engine.compatibility import Judged, Verdict, judge, not_judged
from hub.store.revisions import Doubt

#: Of each workflow and revision; the others have most likely come as far.
_MOST_JUDGED = 100
#: For all rehearsals of one answer together, in seconds.
MOST_SECONDS = 20.0


class RevisionVerbs(Verbs):
    """Executions whose workflow has changed since they began."""

    async def changed(self, *, limit: int = _MOST_JUDGED, seconds: float = MOST_SECONDS) -> list[Judged]:
        """Parked executions that began with another definition, and whether the code as it is now can go on with them.

        At most `limit` of each workflow and revision, and as far as one comes in so many seconds. Nothing is executed: see `hub.engine.compatibility`.
        """
        self._require("execution:read")
        registry, surroundings, clock = self._driver.registry, self._driver.surroundings, self._driver.clock
        until = clock.monotonic() + seconds
        found: list[Judged] = []
        for workflow, revision in await self._store.parked_revisions():
            if workflow in registry.workflows and registry.revision(workflow) == revision:
                continue
            if not self.may("execution:read", subject(workflow)):
                continue
            for execution_id in await self._store.parked(workflow, revision, limit):
                record = await self._store.execution(execution_id)
                if record is None or record.revision != revision:
                    continue
                late = clock.monotonic() > until
                found.append(not_judged(record, registry) if late else await judge(record, registry, surroundings))
        return found

    async def tell_changed(self) -> list[Judged]:
        """As `changed`, and those that need a person say so in their reason."""
        found = await self.changed()
        for one in found:
            if one.verdict is Verdict.NEEDS_A_PERSON:
                await self._store.doubt(Doubt(one.execution_id, one.began_with or "", one.reason))
        return found
