"""Waits: what executions are parked on, answers and signals."""

from __future__ import annotations

from hub.model.audit import AuditEntry
from hub.model.wait import Choice, Resolution, Signal, WaitAnswer, WaitRecord, WaitRequest, WaitState
from hub.store.answers import RESOLVE, SIGNAL
from hub.store.choices import CHOOSE
from hub.store.pages.page import Page
from hub.store.reads import listing as reads
from hub.store.waits import PARK, WAIT, Park


class WaitsPage(Page):
    """Waits: what executions are parked on, answers and signals."""

    async def wait(self, request: WaitRequest) -> WaitAnswer:
        """Open a wait, or see how it stands. Raises Fenced when the claim is over."""
        return await self._writer.submit(WAIT, request)

    async def choose(self, choice: Choice) -> str | None:
        """Bind waits together; the path of the one that ended first, None while none has. Raises Fenced."""
        return await self._writer.submit(CHOOSE, choice)

    async def park(self, park: Park) -> bool:
        """Let go of an execution until one of its waits ends; False: one has ended already. Raises Fenced."""
        return await self._writer.submit(PARK, park)

    async def resolve_wait(self, resolution: Resolution, entry: AuditEntry | None = None) -> WaitState:
        """Answer a wait point, once; WAITING: nobody has asked yet, the answer is kept. Raises NotFound or Conflict."""
        return await self._change(RESOLVE, resolution, entry, told=lambda state: state.value)

    async def signal(self, signal: Signal) -> int:
        """Send a signal; how many waiters it reached at once. The same id again does nothing."""
        return await self._writer.submit(SIGNAL, signal)

    async def waits(
        self, *, execution_id: str | None = None, kind: str | None = None, open_only: bool = False, limit: int = 1000
    ) -> list[WaitRecord]:
        """What executions wait for, the newest first; of one instant in the order of their paths."""
        found = await self._read(reads.waits, execution_id=execution_id, kind=kind, open_only=open_only, limit=limit)
        return sorted(found, key=lambda wait: (-wait.created_at, wait.path))
