"""What every page of the client has: the hub that it asks, who asks, and the one check and the one record of each verb."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Self, TypeVar

from hub.drivers import ProjectDriver
from hub.model.audit import AuditEntry
from hub.model.errors import ExecutionNotFound, HubError, NotFound, StoreUnavailable, Unusable
from hub.model.executor import Executor
from hub.model.identity import ANONYMOUS, Principal, allows
from hub.model.rights import require

T = TypeVar("T")

_SOON = 1.0


class Verbs:
    """Verbs on one hub, asked by one principal. Every verb raises Refused when that one may not."""

    def __init__(self, driver: ProjectDriver, principal: Principal = ANONYMOUS) -> None:
        self._driver = driver
        self._store = driver.store
        self.principal = principal

    @property
    def _by(self) -> str:
        """Who it was, as executions and answers tell it: of the operator only that it was the command line."""
        return "cli" if self.principal.kind == "local" else self.principal.label

    def acting_as(self, principal: Principal) -> Self:
        """The same hub, asked by somebody else."""
        return type(self)(self._driver, principal)

    def may(self, action: str, name: str | None) -> bool:
        """Whether whoever asks may do `action` to the object called `name`; None: to any object at all."""
        return allows(self.principal, action, name)

    async def refuse_unless_allowed(self, action: str, name: str | None, object: str, *, changes: bool) -> None:
        """For faces, before they read what is asked: raise Refused. A change that is refused is recorded as any other one."""
        if not changes or self.may(action, name):
            require(self.principal, action, name)
            return
        async with self._changing(action, name, object):
            pass

    def _require(self, action: str, name: str | None = None) -> None:
        """Raise Refused unless whoever asks may do `action` to the object called `name`; None: to any object at all."""
        require(self.principal, action, name)
        if self.principal.kind == "machine_user":
            self._driver.uses(self.principal, action, name)

    async def _require_for_execution(self, action: str, execution_id: str) -> None:
        """The same for an execution, by its workflow. Raises ExecutionNotFound, Unusable, but only to somebody who may see any at all."""
        self._require(action)
        self._require(action, await self._subject_of(execution_id))

    async def _subject_of(self, execution_id: str) -> str:
        """What permissions for an execution name. Raises ExecutionNotFound."""
        found = await self._store.workflow_of(execution_id)
        if found is None:
            raise ExecutionNotFound(execution_id)
        return subject(found)

    def _declared(self, executor: str) -> Executor:
        """The executor as its file has it now. Raises NotFound with the closest name, or Unusable."""
        if executor not in self._driver.executors:
            if executor in self._driver.broken:
                raise Unusable("executor", executor)
            raise NotFound("executor", executor, self._driver.executors)
        return self._driver.executors[executor]

    def _visible(self, action: str, found: Iterable[T], name: Callable[[T], str]) -> list[T]:
        """What they may see of a list. Raises Refused when they could see nothing of any list."""
        self._require(action)
        return [one for one in found if allows(self.principal, action, name(one))]

    async def _dispatched(self, event_id: str) -> None:
        """Until the event has met its executors. Others may be before it, and a server beside this dispatches them as well."""
        while await self._driver.dispatch() and not await self._store.deliveries(event_ids=[event_id]):
            pass

    @contextlib.asynccontextmanager
    async def _changing(self, action: str, name: str | None, object: str) -> AsyncIterator[AuditEntry]:
        """A change: allowed or refused, and with exactly one record in the audit log, also when it fails.

        The entry goes to the store's verb, which writes the record in the transaction of the change.
        """
        entry = AuditEntry(self._driver.clock.now(), self.principal.label, action, object)
        try:
            self._require(action, name)
            yield entry
        except Exception as error:
            # Whoever has no identity could fill the disk with refusals.
            if not entry.recorded and self.principal.kind != "anonymous":
                told = str(error) if isinstance(error, HubError) else f"a fault: {type(error).__name__}"
                with contextlib.suppress(StoreUnavailable):
                    # Whoever has waited for the store to be written does not wait as long once more.
                    soon = _SOON if isinstance(error, StoreUnavailable) else None
                    await self._store.record(entry, told, seconds=soon)
            raise


def subject(workflow: str) -> str:
    """What permissions for an execution name: its workflow; where an executor aims at a single job, the job."""
    return workflow.removeprefix("job.")
