"""Executions that go on after a failure: resumed one by one or many at once, forked, and told what became of a call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from hub.client.executions import ExecutionVerbs
from hub.client.verbs import subject
from hub.engine.going_on import Again, Failed, GoingOn
from hub.engine.points import MISSING, Missing
from hub.model.errors import Conflict, ExecutionNotFound
from hub.model.execution import LEGAL_MOVES, JobStatus, Started, Status
from hub.model.identity import Principal

#: Executions that are read, or resumed, at once.
_PAGE = 500


class ResumingVerbs(ExecutionVerbs):
    """Executions, also those that go on after a failure."""

    async def resume(self, execution_id: str, args: Any | Missing = MISSING) -> Status:
        """Let a failed execution go on under its id, with another input if one is given; see `hub.engine.going_on`.

        To have another machine user work on an input of one's own is a right: `machine-user:act-as:NAME`.
        """
        async with self._changing_execution("execution:resume", execution_id) as entry:
            await self._require_for_input(execution_id, args)
            return await self._going_on().resume(execution_id, args, entry=entry)

    async def resumable(
        self, *, workflow: str | None = None, status: Status = Status.FAILED, since: int | None = None
    ) -> list[str]:
        """Ids of the executions that whoever asks may resume, the oldest first. `since`: failed then or later.

        Raises Conflict for a status that cannot be resumed.
        """
        self._require("execution:resume", workflow)
        if Status.PENDING_RESUME not in LEGAL_MOVES[status]:
            raise Conflict(f"what is {status} cannot be resumed; FAILED and PENDING_RETRY can.")
        found: list[tuple[str, str]] = []
        while True:
            after = found[-1][0] if found else ""
            page = await self._store.resumable(status=status, workflow=workflow, since=since, after=after, limit=_PAGE)
            found += page
            if len(page) < _PAGE:
                return [one for one, of in found if self.may("execution:resume", subject(of))]

    async def resume_all(self, execution_ids: Sequence[str]) -> int:
        """Resume these; how many that were. One that somebody has resumed or cancelled meanwhile is passed over."""
        resumed = 0
        for start in range(0, len(execution_ids), _PAGE):
            part = execution_ids[start : start + _PAGE]
            answers = await asyncio.gather(*[self.resume(one) for one in part], return_exceptions=True)
            for answer in answers:
                if isinstance(answer, BaseException) and not isinstance(answer, Conflict | ExecutionNotFound):
                    raise answer
            resumed += sum(isinstance(answer, Status) for answer in answers)
        return resumed

    async def fork(
        self, execution_id: str, path: str, args: Any | Missing = MISSING, *, idempotency_key: str | None = None
    ) -> Started:
        """Start a new execution from a call of another one on; see `hub.engine.going_on`. Another input wants what it wants at `resume`."""
        async with self._changing_execution("execution:fork", execution_id) as entry:
            await self._require_for_input(execution_id, args)
            return await self._going_on().fork(
                execution_id,
                path,
                args,
                requested_by=self._by,
                entry=entry,
                idempotency_key=idempotency_key,
            )

    async def _require_for_input(self, execution_id: str, args: Any | Missing) -> None:
        """The same as for a start: an input of one's own has its invoker do what one wants."""
        found = None if isinstance(args, Missing) else await self._store.execution(execution_id)
        if found is None or found.invoker is None:
            return
        invoker = Principal("machine_user", found.invoker["name"], found.invoker["auth_namespace"])
        if invoker.label != self.principal.label:
            self._require("machine-user:act-as", invoker.name)

    async def settle(self, execution_id: str, path: str, said: Any | Failed | Again) -> JobStatus:
        """Say what became of a call whose outcome is unknown, or that failed; see `hub.engine.going_on`."""
        async with self._changing_execution("execution:settle", execution_id) as entry:
            return await self._going_on().settle(execution_id, path, said, by=self._by, entry=entry)

    def _going_on(self) -> GoingOn:
        """With the workflows of this moment: changed files may have replaced them."""
        return GoingOn(self._store, self._driver.registry, self._driver.clock)
