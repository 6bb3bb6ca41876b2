"""Wait points: what executions ask people, and answers to it."""

from __future__ import annotations

from typing import Any

from hub.client.verbs import Verbs
from hub.drivers import ProjectDriver
from hub.engine.resolving import Resolver
from hub.model.identity import MachineUser
from hub.model.wait import WaitKind, WaitRecord, WaitState


class WaitPointVerbs(Verbs):
    """Wait points: what executions ask people, and answers to it."""

    def __init__(self, driver: ProjectDriver) -> None:
        super().__init__(driver)
        self._resolver = Resolver(
            driver.store, driver.clock, lambda: driver.surroundings, lambda: driver.registry.wait_points
        )

    async def wait_points(
        self, *, execution_id: str | None = None, open_only: bool = True, limit: int = 50
    ) -> list[WaitRecord]:
        """Questions that executions ask, the newest first; `open_only`: those that nobody has answered."""
        return await self._store.waits(
            execution_id=execution_id, kind=WaitKind.POINT.value, open_only=open_only, limit=limit
        )

    async def resolve_wait_point(
        self, execution_id: str, key: str, answer: Any, *, user: MachineUser | None = None, by: str = "cli"
    ) -> WaitState:
        """Answer a wait point, once; WAITING: nobody has asked yet, and the answer is kept.

        A function is given the payload and returns the answer. With a machine user, that one needs
        `wait-point:resolve:NAME` and is recorded as who answered; else `by` is. Raises ExecutionNotFound, NotFound,
        InvalidArguments, NotJson, Refused or Conflict.
        """
        return await self._resolver.resolve(execution_id, key, answer, user=user, by=by)
