"""Calls of running executions: checkpoints, marks, log lines."""

from __future__ import annotations

from hub.model.audit import AuditEntry
from hub.model.execution import JobStatus, LogLine
from hub.store.checkpoints import BEGIN, CHECKPOINT, HANDLED, LOG, MARK, CallWrite, Handled, LogWrite, packed
from hub.store.outcomes import DECIDE, Outcome
from hub.store.pages.page import Page
from hub.store.reads import executions as reads


class CallsPage(Page):
    """Calls of running executions: checkpoints, marks, log lines."""

    async def checkpoint(self, write: CallWrite) -> None:
        """Store what a call gave. Raises Fenced when the claim is over."""
        self._writer.forget(MARK, (write.execution_id, write.checkpoint.path))
        await self._writer.submit(CHECKPOINT, packed(write))

    async def begin(self, write: CallWrite) -> None:
        """Count a try durably before it begins. Raises Fenced when the claim is over."""
        await self._writer.submit(BEGIN, write)

    async def decide_outcome(self, outcome: Outcome, entry: AuditEntry | None = None) -> JobStatus:
        """Say what became of a call whose outcome is unknown, or that failed. Raises NotFound or Conflict."""
        return await self._change(DECIDE, outcome, entry, told=lambda status: f"call {outcome.path} {status}")

    def mark(self, write: CallWrite) -> None:
        """Show that a call is under way. Nobody waits for it."""
        self._writer.ride(MARK, (write.execution_id, write.checkpoint.path), write)

    def handled(self, handled: Handled) -> None:
        """Show that a call's error was caught by its caller. Nobody waits for it."""
        self._writer.ride(HANDLED, (handled.execution_id, handled.path), handled)

    def log(self, write: LogWrite) -> None:
        """Keep a line that a job wrote. Nobody waits for it."""
        self._writer.ride(LOG, id(write), write)

    async def logs(self, execution_id: str, after: int = 0, limit: int = 1000) -> list[tuple[int, LogLine]]:
        """Lines behind number `after`, each with its number."""
        return await self._read(reads.logs, execution_id, after, limit)
