"""Changed files: what they would change, and putting them into effect."""

from __future__ import annotations

from hub.client.verbs import Verbs
from hub.model.plan import Plan


class ApplyingVerbs(Verbs):
    """Changed files: what they would change, and putting them into effect."""

    async def plan(self) -> Plan:
        """What executors, schedules and database triggers would change to. Nothing is changed."""
        self._require("executor:read")
        return await self._driver.files.plan()

    async def apply(self) -> Plan:
        """Put the files into effect; what was changed.

        It takes `executor:apply:NAME` for each executor that changes, and for one that acts as a machine user the right to
        act as that one. Raises HubError when a database cannot be changed.
        """
        async with self._changing("executor:apply", None, "executors") as entry:
            plan = await self._driver.files.plan()
            for name in [*[name for name, _ in plan.put], *plan.gone]:
                self._require("executor:apply", name)
            for name, _ in plan.put:
                invoker = self._driver.executors[name].invoker
                if invoker is not None:
                    self._require("machine-user:act-as", invoker.name)
            await self._driver.files.apply(plan, entry)
            return plan
