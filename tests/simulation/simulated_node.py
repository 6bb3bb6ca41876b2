"""One process of the hub in a simulated world: its own worker, lease and store."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from simulated_loop import Host

from hub.engine.lease import Lease
from hub.engine.surroundings import Surroundings
from hub.engine.worker import Worker
from hub.model.errors import StoreUnavailable

if TYPE_CHECKING:
    from simulated_world import World

LEASE = 3.0


class Inline:
    """Plain jobs, at once: nothing in a simulation has a thread."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None: ...


class Node:
    """One process of the hub, from its start to its death."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.world = world
        self.host = Host(name)
        self.store, self.writer = world.open_store(self.host)
        self.writer.on_death = lambda: world.died(self)
        self.worker: Worker | None = None
        self.lease: Lease | None = None

    def begin(self) -> None:
        self.world.loop.begin(self.host, self._life())

    async def _life(self) -> None:
        world = self.world
        try:
            self.worker = Worker(
                self.store, world.registry, Surroundings({}, {}), world.clock, self.name, threads=Inline()
            )
            self.lease = Lease(self.store, world.clock, self.name, self.worker, seconds=LEASE)
            self.store.listen(self.worker.hear)
            await self.lease.take()
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(self.lease.serve(stop))
                group.create_task(self.worker.serve(stop))
                group.create_task(self._notice_others())
        except GeneratorExit:
            raise  # it is swept up
        except BaseException as error:
            known = isinstance(error, StoreUnavailable)
            world.journal.note(self.name, f"ends: {error!r}")
            if not known:
                world.wrong(f"node {self.name} ended: {error!r}")
            self.host.die()
            world.died(self)

    async def _notice_others(self) -> None:
        """What another process has written: as the server looks at its store's change counter."""
        seen = 0
        while True:
            await asyncio.sleep(0.2)
            moved = self.world.database.changes()
            if moved != seen:
                seen = moved
                assert self.worker is not None
                self.worker.hear("answers")
                self.worker.hear("executions")
