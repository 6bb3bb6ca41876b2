"""Wait points: what executions ask people, and answers to it."""

from __future__ import annotations

from typing import Any

from hub.client.verbs import Verbs, subject
from hub.drivers import ProjectDriver
from hub.engine.resolving import Resolver
from hub.model.identity import ANONYMOUS, Principal
from hub.model.wait import WaitKind, WaitRecord, WaitState


class WaitPointVerbs(Verbs):
    """Wait points: what executions ask people, and answers to it."""

    def __init__(self, driver: ProjectDriver, principal: Principal = ANONYMOUS) -> None:
        super().__init__(driver, principal)
        self._resolver = Resolver(driver.store, driver.clock, lambda: driver.registry.wait_points)

    async def wait_points(
        self, *, execution_id: str | None = None, open_only: bool = True, limit: int = 50
    ) -> list[WaitRecord]:
        """Questions that executions ask, the newest first; `open_only`: those that nobody has answered."""
        found = await self._store.waits(
            execution_id=execution_id, kind=WaitKind.POINT.value, open_only=open_only, limit=limit
        )
        return self._visible("wait-point:read", found, lambda wait: wait.name)

    async def unknown_calls(self, limit: int = 50) -> list[WaitRecord]:
        """Calls that were interrupted, and are never run twice unasked: they wait for a person. The newest first."""
        found = await self._store.waits(execution_id=None, kind=WaitKind.OUTCOME.value, open_only=True, limit=limit)
        return self._visible("execution:read", found, lambda wait: subject(wait.workflow))

    async def resolve_wait_point(self, execution_id: str, key: str, answer: Any) -> WaitState:
        """Answer a wait point, once; WAITING: nobody has asked yet, and the answer is kept.

        A function is given the payload and returns the answer. It takes `wait-point:resolve:NAME`, and what the wait point
        itself asks for. Raises ExecutionNotFound, NotFound,
        InvalidArguments, NotJson, Refused or Conflict.
        """
        name = key.partition(":")[0]
        async with self._changing("wait-point:resolve", name, f"wait-point {key} of execution {execution_id}") as entry:
            return await self._resolver.resolve(
                execution_id, key, answer, user=self.principal, by=self._by, entry=entry
            )
