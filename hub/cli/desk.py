"""Where a command asks: the project's own store, or a hub elsewhere. Commands name an operation of the API and print its answer;
here its handler is called on the spot, there a request is made of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

from hub.api.operations import Call, Operation
from hub.api.paging import MOST
from hub.api.resources import OPERATIONS
from hub.assembly.parts import run_in_process
from hub.cli.session import opened, server_and_token
from hub.client.revisions import MOST_SECONDS
from hub.model.identity import MachineUser
from hub.views.executions import execution_view, log_view

if TYPE_CHECKING:
    from hub.assembly.parts import Parts

#: Told of each line that a job writes.
Tell = Callable[[dict[str, Any]], None]

BY_ID = {operation.id: operation for operation in OPERATIONS}


class Desk(Protocol):
    """Answers what the API answers."""

    async def ask(self, operation: str, **arguments: Any) -> Any:
        """The JSON value of an operation, by its id. Arguments are those of its path, its query and its body's members.

        None stands for one that is not given, where it may be left out. Raises HubError.
        """
        ...

    async def wait(self, execution_id: str, *, seconds: float | None, poll: float, tell: Tell | None) -> dict[str, Any]:
        """The execution when it has ended. Raises TimeoutError, which says what becomes of it, or HubError."""
        ...

    def acting_as(self, name: str, namespace: str | None) -> Desk:
        """The same desk, asked by a machine user. Raises HubError."""
        ...


@asynccontextmanager
async def desk() -> AsyncIterator[Desk]:
    """The one that --server and --project lead to."""
    server, token = server_and_token()
    if server is None:
        async with opened() as parts:
            yield LocalDesk(parts)
    else:
        from hub.cli.remote import remote_desk

        async with remote_desk(server, token) as made:
            yield made


async def listed(asked: Desk, operation: str, limit: int, **filters: Any) -> list[Any]:
    """So many of a list, newest first, however many pages that takes."""
    found: list[Any] = []
    cursor = None
    while True:
        page = await asked.ask(operation, limit=min(limit - len(found), MOST), cursor=cursor, **filters)
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None or len(found) >= limit:
            return found


def sorted_out(operation: Operation, arguments: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any], Any]:
    """Path, query and body of an operation's arguments."""
    needed = () if operation.body is None else operation.body.get("required", ())
    given = {name: value for name, value in arguments.items() if value is not None or name in needed}
    path = {name: str(given.pop(name)) for name in operation.in_path}
    query = {one.name: given.pop(one.name) for one in operation.query if one.name in given}
    return path, query, None if operation.body is None else given


class LocalDesk:
    """On the project's store, with or without a server running."""

    def __init__(self, parts: Parts, user: MachineUser | None = None) -> None:
        self._parts = parts
        self._client = parts.client if user is None else parts.client.acting_as(user.principal)

    async def ask(self, operation: str, **arguments: Any) -> Any:
        found = BY_ID[operation]
        path, query, body = sorted_out(found, arguments)
        usual = {one.name: one.schema["default"] for one in found.query if "default" in one.schema}
        call = Call(self._client, self._client.principal, path, {**usual, **query}, body, seconds=MOST_SECONDS)
        return await found.handle(call)

    async def wait(self, execution_id: str, *, seconds: float | None, poll: float, tell: Tell | None) -> dict[str, Any]:
        """Without a server, the work is done here."""
        done = asyncio.Event()
        alone = self._parts.store.take_seat()
        working = asyncio.create_task(run_in_process(self._parts, done))
        telling = None if tell is None else asyncio.create_task(self._follow(execution_id, tell))
        try:
            record = await self._client.wait(execution_id, seconds=seconds, poll=poll)
            if telling is not None:
                await telling
        except TimeoutError:
            how = "it goes on when a server runs, or a command waits for it" if alone else "it goes on"
            raise TimeoutError(f"execution {execution_id} has not ended yet; {how}.") from None
        finally:
            done.set()
            if telling is not None:
                telling.cancel()
            await working
        return execution_view(record)

    def acting_as(self, name: str, namespace: str | None) -> LocalDesk:
        return LocalDesk(self._parts, self._client.invoker(name, namespace))

    async def _follow(self, execution_id: str, tell: Tell) -> None:
        async for line in self._client.follow_logs(execution_id):
            tell(log_view(line))
