"""Executions: start, look at, wait for, resume, cancel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from hub.client.verbs import Verbs
from hub.engine.starting import start_request
from hub.model.errors import ExecutionNotFound
from hub.model.execution import ENDED, ExecutionRecord, LogLine, Started, Status
from hub.model.identity import MachineUser

_LOOK_AGAIN = 0.05


class ExecutionVerbs(Verbs):
    """Executions: start, look at, wait for, resume, cancel."""

    async def start(
        self,
        workflow: str,
        args: Any = None,
        *,
        invoker: MachineUser | None = None,
        idempotency_key: str | None = None,
        requested_by: str = "cli",
    ) -> Started:
        """Start an execution. Raises NotFound, Refused, NotJson or InvalidArguments."""
        request = start_request(
            self._driver.registry,
            self._driver.surroundings,
            self._driver.clock,
            workflow=workflow,
            args=args,
            invoker=invoker,
            requested_by=requested_by,
            idempotency_key=idempotency_key,
        )
        return await self._store.start(request)

    async def execution(self, execution_id: str) -> ExecutionRecord:
        """With its jobs. Raises ExecutionNotFound."""
        found = await self._store.execution(execution_id)
        if found is None:
            raise ExecutionNotFound(execution_id)
        return found

    async def executions(
        self, *, workflow: str | None = None, status: str | None = None, executor: str | None = None, limit: int = 50
    ) -> list[ExecutionRecord]:
        """Newest first, without their jobs."""
        return await self._store.executions(workflow=workflow, status=status, executor=executor, limit=limit)

    async def resume(self, execution_id: str) -> Status:
        """Let a failed execution go on under its id. Raises ExecutionNotFound or Conflict."""
        return await self._store.resume(execution_id)

    async def cancel(self, execution_id: str) -> Status:
        """End an execution; after this no step of it is stored. Raises ExecutionNotFound or Conflict."""
        return await self._store.cancel(execution_id)

    async def wait(
        self, execution_id: str, *, seconds: float | None = None, poll: float = _LOOK_AGAIN
    ) -> ExecutionRecord:
        """Until it has ended. Raises TimeoutError, or ExecutionNotFound."""
        async with asyncio.timeout(seconds):
            while True:
                status = await self._store.status_of(execution_id)
                if status is None:
                    raise ExecutionNotFound(execution_id)
                if status in ENDED:
                    return await self.execution(execution_id)
                await self._driver.clock.sleep(poll)

    async def logs(self, execution_id: str, after: int = 0) -> list[tuple[int, LogLine]]:
        """Lines behind number `after`, each with its number."""
        return await self._store.logs(execution_id, after)

    async def follow_logs(self, execution_id: str) -> AsyncIterator[LogLine]:
        """Lines as they come, until the execution has ended."""
        after, ended = 0, False
        while True:
            lines = await self._store.logs(execution_id, after)
            for number, line in lines:
                after = number
                yield line
            if ended and not lines:
                return
            ended = await self._store.status_of(execution_id) in ENDED
            if not lines and not ended:
                await self._driver.clock.sleep(_LOOK_AGAIN)
