"""An execution, as a test sees it."""

from __future__ import annotations

from typing import Any, Protocol

from hub.engine import failures
from hub.engine.points import MISSING, Missing
from hub.model.errors import Conflict
from hub.model.execution import ENDED, ExecutionRecord, Status


class Playing(Protocol):
    """What a run needs of the engine that it runs in."""

    async def settle(self) -> None: ...

    async def execution(self, execution_id: str) -> ExecutionRecord: ...

    async def cancel(self, execution_id: str) -> None: ...

    async def resume(self, execution_id: str, args: Any | Missing = MISSING) -> None: ...

    async def fork(self, execution_id: str, path: str, args: Any | Missing = MISSING) -> VirtualRun: ...


class VirtualRun:
    """An execution in a `VirtualEngine`."""

    __slots__ = ("_engine", "id")

    def __init__(self, engine: Playing, execution_id: str) -> None:
        self._engine = engine
        self.id = execution_id

    async def status(self) -> Status:
        """Where it stands, when nothing is left to do but to wait."""
        await self._engine.settle()
        return (await self.record()).status

    async def result(self) -> Any:
        """What it returned, as JSON. Raises what it failed with; Conflict, saying why it waits, when it has not ended."""
        await self._engine.settle()
        record = await self.record()
        if record.status is Status.SUCCESS:
            return record.result
        if record.status not in ENDED:
            raise Conflict(
                f"execution {self.id} has not ended, it is {record.status}: {record.reason or 'no reason is stored'}. "
                "Answer, signal, or `advance` the time."
            )
        raise failures.of_execution(record)

    async def reason(self) -> str | None:
        """Why it waits."""
        return (await self.record()).reason

    async def record(self) -> ExecutionRecord:
        """Everything that is known of it, with its jobs."""
        return await self._engine.execution(self.id)

    async def cancel(self) -> None:
        """Raises Conflict when it has ended."""
        await self._engine.cancel(self.id)

    async def resume(self, args: Any | Missing = MISSING) -> None:
        """Raises Conflict when it has not failed; with another input NotJson or InvalidArguments."""
        await self._engine.resume(self.id, args)

    async def fork(self, path: str, args: Any | Missing = MISSING) -> VirtualRun:
        """A new execution that has what this one had done before its call at `path`. Raises NotFound."""
        return await self._engine.fork(self.id, path, args)

    def __repr__(self) -> str:
        return f"<execution {self.id}>"
