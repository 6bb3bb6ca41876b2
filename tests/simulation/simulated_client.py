"""Who asks the hub in a simulated world."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from simulated_loop import Host

from hub.engine.starting import start_request
from hub.engine.surroundings import Surroundings
from hub.model import clock as real_clock
from hub.model.errors import Conflict, HubError, StoreUnavailable
from hub.model.execution import Status

if TYPE_CHECKING:
    from simulated_world import World


class Client:
    """Asks again until it has an answer, as a careful program does."""

    def __init__(self, world: World, host: Host) -> None:
        self.world = world
        self.host = host
        self.random = world.random
        self.store, self._writer = world.open_store(host)

    async def start(self, workflow: str, args: Any, key: str, *, again: bool = False) -> str:
        """Start it; `again`: repeat the request once more than needed."""
        world = self.world
        request = start_request(
            world.registry,
            Surroundings({}, {}),
            world.clock,
            workflow=workflow,
            args=args,
            invoker=None,
            requested_by="client",
            idempotency_key=key,
        )
        started = await self.until_answered(lambda: self.store.start(request))
        world.accepted[key] = started.id
        if again:
            other = replace(request, id=real_clock.new_id(world.clock.now()))
            second = await self.until_answered(lambda: self.store.start(other))
            if second.id != started.id:
                world.wrong(f"{key} was accepted twice")
        return started.id

    async def cancel(self, execution: str) -> bool:
        """Whether it was; then nothing of it may go on."""
        unsure = False
        while True:
            try:
                await self.store.cancel(execution)
            except StoreUnavailable:
                unsure = True
                await asyncio.sleep(0.1)
                continue
            except HubError:
                held = unsure and await self.status(execution) is Status.CANCELED
            else:
                held = True
            if held:
                self.world.canceled[execution] = self.world.loop.time()
            return held

    async def resume(self, execution: str) -> None:
        """Let a failed one go on. That it goes on already is as good: the first answer was lost."""
        with contextlib.suppress(Conflict):
            await self.until_answered(lambda: self.store.resume(execution))

    async def status(self, execution: str) -> Status | None:
        return await self.store.status_of(execution)

    async def ended(self, execution: str) -> Status:
        while True:
            found = await self.status(execution)
            if found in (Status.SUCCESS, Status.FAILED, Status.CANCELED):
                return found
            await asyncio.sleep(0.2)

    async def until_answered(self, ask: Callable[[], Any]) -> Any:
        while True:
            try:
                return await ask()
            except StoreUnavailable:
                await asyncio.sleep(0.1)
