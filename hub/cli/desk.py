"""The desk that --server and --project lead to: the project's own store, or a hub elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hub.api.operations import Call
from hub.assembly.parts import Parts, run_in_process
from hub.cli.asking import BY_ID, Desk, Tell, sorted_out
from hub.cli.session import opened, server_and_token
from hub.client.revisions import MOST_SECONDS
from hub.model.identity import MachineUser
from hub.views.executions import execution_view, log_view


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
