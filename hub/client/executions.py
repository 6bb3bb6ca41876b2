"""Executions: start, look at, wait for, cancel."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from hub.client.reasons import with_reasons
from hub.client.verbs import Verbs, subject
from hub.engine.starting import start_request
from hub.model.audit import AuditEntry
from hub.model.errors import Conflict, ExecutionNotFound
from hub.model.execution import ENDED, ExecutionRecord, LogLine, Started, Status
from hub.model.identity import MachineUser

_LOOK_AGAIN = 0.05


class ExecutionVerbs(Verbs):
    """Executions: start, look at, wait for, cancel."""

    async def start(
        self,
        workflow: str,
        args: Any = None,
        *,
        invoker: MachineUser | None = None,
        idempotency_key: str | None = None,
        priority: int | None = None,
    ) -> Started:
        """Start an execution. Raises NotFound, Refused, NotJson, InvalidArguments, or Conflict for a key of another workflow's.

        To act as another machine user than oneself is a right: `machine-user:act-as:NAME`.
        """
        async with self._changing("workflow:start", workflow, f"workflow {workflow}") as entry:
            if invoker is not None and invoker.principal.label != self.principal.label:
                self._require("machine-user:act-as", invoker.name)
            request = start_request(
                self._driver.registry,
                self._driver.surroundings,
                self._driver.clock,
                workflow=workflow,
                args=args,
                invoker=invoker,
                requested_by=self._by,
                idempotency_key=idempotency_key,
                priority=priority,
            )
            started = await self._store.start(request, entry)
            if not started.created and await self._store.workflow_of(started.id) != workflow:
                # Whoever starts one workflow need not see what there is of others.
                raise Conflict(
                    f'the idempotency key "{idempotency_key}" was used for another workflow: put the workflow\'s name into it.'
                )
            return started

    async def execution(self, execution_id: str) -> ExecutionRecord:
        """With its jobs. Raises ExecutionNotFound."""
        self._require("execution:read")
        found = await self._store.execution(execution_id)
        if found is None:
            raise ExecutionNotFound(execution_id)
        self._require("execution:read", subject(found.workflow))
        (told,) = await self._with_reasons([found])
        return told

    async def _with_reasons(self, found: list[ExecutionRecord]) -> list[ExecutionRecord]:
        driver = self._driver
        return await with_reasons(self._store, driver.registry, driver.clock.now(), found)

    async def cancel(self, execution_id: str) -> Status:
        """End an execution; after this no step of it is stored. Raises ExecutionNotFound or Conflict."""
        async with self._changing_execution("execution:cancel", execution_id) as entry:
            return await self._store.cancel(execution_id, entry)

    @contextlib.asynccontextmanager
    async def _changing_execution(self, action: str, execution_id: str) -> AsyncIterator[AuditEntry]:
        """Whoever changes an execution needs the right for its workflow. Raises ExecutionNotFound."""
        async with self._changing(action, None, f"execution {execution_id}") as entry:
            self._require(action, await self._subject_of(execution_id))
            yield entry

    async def wait(
        self, execution_id: str, *, seconds: float | None = None, poll: float = _LOOK_AGAIN
    ) -> ExecutionRecord:
        """Until it has ended. Raises TimeoutError, or ExecutionNotFound."""
        await self._require_for_execution("execution:read", execution_id)
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
        await self._require_for_execution("execution:logs", execution_id)
        return await self._store.logs(execution_id, after)

    async def follow_logs(self, execution_id: str) -> AsyncIterator[LogLine]:
        """Lines as they come, until the execution has ended."""
        await self._require_for_execution("execution:logs", execution_id)
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
