"""An execution as the program that started it holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from typing_extensions import TypeVar

from hub.engine.points import MISSING, Missing
from hub.engine.policies import Duration
from hub.model.execution import ExecutionRecord, Status

if TYPE_CHECKING:
    from hub.library.client import Client

#: What an execution gives. Where nobody knows, as of one that is known by its id alone, anything.
Out = TypeVar("Out", default=Any)


class WorkflowRun(Generic[Out]):
    """An execution, from outside: its id, with the client's verbs."""

    __slots__ = ("_client", "id")

    def __init__(self, client: Client, execution_id: str) -> None:
        self._client = client
        self.id = execution_id

    async def status(self) -> Status:
        """As it is now. Raises ExecutionNotFound."""
        return (await self._client.execution(self.id)).status

    async def result(self, timeout: Duration | None = None) -> Out:  # noqa: ASYNC109 - a duration as elsewhere in the hub
        """Wait for the end, and have what it returned. Raises JobFailed when it failed or was cancelled.

        What is raised is also of the type that the job raised. With a timeout, TimeoutError: the execution goes on.
        """
        return await self._client.result(self, timeout)

    async def cancel(self) -> None:
        """End it. Raises Conflict when it has ended."""
        await self._client.cancel(self)

    async def resume(self, args: Any | Missing = MISSING) -> None:
        """Let it go on after a failure, with another input if one is given. Raises Conflict when it has not failed."""
        await self._client.resume(self, args)

    async def record(self) -> ExecutionRecord:
        """Everything that is known of it, with its jobs."""
        return await self._client.execution(self.id)

    def __repr__(self) -> str:
        return f"<execution {self.id}>"
