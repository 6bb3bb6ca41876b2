"""Executions: their starts, claims, moves and ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hub.model.audit import AuditEntry
from hub.model.execution import Claimed, ExecutionRecord, Settled, Started, StartRequest, Status
from hub.store.checkpoints import MARK, CallWrite
from hub.store.claims import CLAIM, ClaimRequest
from hub.store.combined import FINISH, START_NESTED, Finish, NestedStart
from hub.store.contents import LARGE, offloaded
from hub.store.executions import CANCEL, RESCUE, SETTLE, START, STOPPED, Move, Rescue, Stopped, status_look
from hub.store.pages.page import Page
from hub.store.reads import executions as reads
from hub.store.resuming import FORK, RESUME, Fork, Resumption
from hub.store.suspects import CLEAR, NEXT_SUSPECT, Cleared
from hub.store.verbs import Verb
from hub.store.writer import Errand, Guest

log = logging.getLogger(__name__)

#: How many seconds a cancel waits for the node that runs it, and how often it looks.
_STOPS_WITHIN = 5.0
_LOOK_AGAIN = 0.01


@dataclass(frozen=True, slots=True)
class Along:
    """A claim in the transaction that makes something due."""

    request: ClaimRequest
    #: Given what was claimed, or why nothing could be. In the loop in which `claim_along` was called.
    done: Callable[[list[Claimed] | Exception], None]


class ExecutionsPage(Page):
    """Executions: their starts, claims, moves and ends."""

    async def start(self, request: StartRequest, entry: AuditEntry | None = None) -> Started:
        """Make it an execution. The same idempotency key again answers with the first one."""
        return await self._change(START, request, entry, told=lambda made: f"execution {made.id}")

    async def claim(self, request: ClaimRequest) -> list[Claimed]:
        """Lease due executions to a node, each with a new epoch and with what it has already done."""
        return await self._writer.submit(CLAIM, request)

    def claim_along(self, ask: Callable[[], Along | None] | None) -> None:
        """From now on ask, whenever a small commit of this process makes something due, whether it is to claim as well.

        `ask` is called on the writer's thread. None: nobody is asked any more.
        """
        self._writer.invite(None if ask is None else _claims_along(ask))

    async def settle(self, settled: Settled) -> Status:
        """Let go of an execution. Raises Fenced when the claim is over."""
        if settled.result is not None and len(settled.result) >= LARGE:
            return await self.finish(None, settled)
        return await self._writer.submit(SETTLE, settled)

    async def finish(self, main: CallWrite | None, settled: Settled) -> Status:
        """Let go of an execution and store how its main job ended, in one. Raises Fenced when the claim is over."""
        if main is not None:
            self._writer.forget(MARK, (main.execution_id, main.checkpoint.path))
        # The main job's result is the execution's: packed once, stored once.
        result, content = offloaded(settled.result)
        if content is not None:
            settled = replace(settled, result=result)
            main = main and main._replace(checkpoint=main.checkpoint._replace(result=result))
        return await self._writer.submit(FINISH, Finish(main, settled, content))

    async def start_nested(self, request: StartRequest, call: CallWrite) -> Started:
        """A running execution's call starts another one. Raises Fenced when the claim is over."""
        return await self._writer.submit(START_NESTED, NestedStart(request, call))

    async def cancel(self, execution_id: str, entry: AuditEntry | None = None) -> Status:
        """After this commits, its holder can write nothing. Raises NotFound, or Conflict when it has ended.

        A holder elsewhere, which hears of it by a notice only, has stopped when this returns.
        """
        canceled = await self._change(CANCEL, Move(execution_id, self._clock.now()), entry, status_look(execution_id))
        if self.shared:
            await self._until_stopped(execution_id)
        return canceled

    async def _until_stopped(self, execution_id: str) -> None:
        end = self._clock.monotonic() + _STOPS_WITHIN
        while await self._read(reads.still_held, execution_id, self._clock.now()):
            if self._clock.monotonic() >= end:
                log.warning("execution %s is cancelled, and its node has not said that it has stopped.", execution_id)
                return
            await self._clock.sleep(_LOOK_AGAIN)

    def stopped(self, execution_id: str, epoch: int) -> None:
        """Nothing more begins of it under this claim, should it have been cancelled. Nobody waits for this to be durable."""
        self._writer.ride(STOPPED, execution_id, Stopped(execution_id, epoch))

    async def resume(
        self, execution_id: str, entry: AuditEntry | None = None, *, args: str | None = None, concurrency_key: str = ""
    ) -> Status:
        """Let a failed one go on under its id, with another input if one is given.

        Raises NotFound, or Conflict when it has not failed.
        """
        asked = Resumption(execution_id, self._clock.now(), args, concurrency_key)
        return await self._change(RESUME, asked, entry, status_look(execution_id))

    async def fork(self, fork: Fork, entry: AuditEntry | None = None) -> Started:
        """Make an execution of it that has calls of another one as its own. Raises ExecutionNotFound."""
        return await self._change(FORK, fork, entry, told=lambda started: f"execution {started.id}")

    async def rescue(self, dead: Sequence[str] = ()) -> int:
        """Make what dead nodes held claimable again; how many executions that were."""
        return await self._writer.submit(RESCUE, Rescue(self._clock.now(), tuple(dead)))

    def clear(self, execution_id: str, epoch: int) -> None:
        """Its worker lives, in spite of it: the last death was not its doing. Nobody waits for it."""
        self._writer.ride(CLEAR, execution_id, Cleared(execution_id, epoch))

    async def next_suspect(self) -> int:
        """What was tried by itself has ended: the next one may begin; how many are left to try."""
        return await self._writer.submit(NEXT_SUSPECT, self._clock.now())

    async def execution(self, execution_id: str) -> ExecutionRecord | None:
        """With its jobs."""
        return await self._read(reads.execution, execution_id)

    async def executions(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        executor: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> list[ExecutionRecord]:
        """Newest first, without their jobs."""
        return await self._read(
            reads.executions, workflow=workflow, status=status, executor=executor, before=before, limit=limit
        )

    async def resumable(
        self, *, status: Status, workflow: str | None, since: int | None, after: str, limit: int
    ) -> list[tuple[str, str]]:
        """Ids and workflows of executions that can be resumed, behind the id `after`, the oldest first."""
        return await self._read(
            reads.resumable, status=status, workflow=workflow, since=since, after=after, limit=limit
        )

    async def status_of(self, execution_id: str) -> Status | None:
        return await self._read(reads.status_of, execution_id)

    async def known_executions(self, executions: Sequence[str]) -> set[str]:
        """Which of these executions are still stored."""
        return await self._read(reads.known, executions)

    async def workflow_of(self, execution_id: str) -> str | None:
        """The name of its workflow; None when there is no such execution."""
        return await self._read(reads.workflow_of, execution_id)

    async def lost(self, claims: Sequence[tuple[str, int]]) -> list[str]:
        """Which of these executions are not held under this epoch any more: cancelled, or taken over."""
        return await self._read(reads.lost, claims)

    async def count_by_status(self) -> dict[str, int]:
        return await self._read(reads.count_by_status)

    async def count_running(self, workflow: str, key: str | None = None) -> int:
        """How many of a workflow run, or of one concurrency key of it."""
        return await self._read(reads.count_running, workflow, key)

    async def next_due(self, workflows: Sequence[str], after: int | None = None) -> int | None:
        """When the next of these workflows' executions comes due that is not due at the moment `after`; None: now."""
        return await self._read(reads.next_due, workflows, self._clock.now() if after is None else after)


def _claims_along(ask: Callable[[], Along | None]) -> Guest:
    def guest(verbs: Sequence[Verb[Any, Any]]) -> Errand | None:
        if not any("executions" in verb.rings for verb in verbs):
            return None
        along = ask()
        return None if along is None else Errand(CLAIM, along.request, along.done)

    return guest
