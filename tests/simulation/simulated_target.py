"""The foreign system that jobs call, and what it holds against them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from simulated_loop import current_host
from simulated_node import LEASE

from hub import Context, Triggered

if TYPE_CHECKING:
    from simulated_world import World

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Effect:
    execution: str
    path: str
    attempt: int
    at: float
    node: str


class Target:
    """A foreign system. It looks the hub's books up, and says when a request should not have come."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.effects: list[Effect] = []
        self.count: Counter[tuple[str, str]] = Counter()
        #: Calls whose result their caller has been given.
        self._given: set[tuple[str, str]] = set()

    def __call__(self, ctx: Context) -> int:
        """One request; how many have come under this key."""
        world, host = self._world, current_host()
        execution, _, path = ctx.idempotency_key.partition("/")
        assert host is not None
        effect = Effect(execution, path, ctx.attempt, world.loop.time(), host.name)
        self.effects.append(effect)
        self.count[execution, path] += 1
        world.journal.note(host.name, f"effect {path} {ctx.attempt}")
        stored = world.database.rows(
            "SELECT status, attempts FROM checkpoints WHERE execution_id = ? AND path = ?", execution, path
        )
        if stored and stored[0][0] == "SUCCESS":
            world.wrong(f"{path} of {execution} ran again on {host.name} after its result was stored")
        if "/" in path and ctx.attempt > 1 and (not stored or stored[0][1] < ctx.attempt):
            world.wrong(f"try {ctx.attempt} of {path} began before it was counted")
        if (execution, path) in self._given:
            world.wrong(f"{path} of {execution} ran again on {host.name} after its caller had its result")
        node = world.nodes.get(host.name)
        if (
            node is not None
            and node.lease is not None
            and world.loop.time() - node.lease._renewed > LEASE * 2 / 3 + 1e-6
        ):
            world.wrong(
                f"{path} began on {host.name} {world.loop.time() - node.lease._renewed:.2f} s after its lease was renewed"
            )
        ended = world.canceled.get(execution)
        if ended is not None and effect.at - max(ended, host.thawed_at) > 1.0:
            world.wrong(f"{path} of {execution} began {effect.at - ended:.2f} s after it was canceled")
        return self.count[execution, path]

    async def given(self, call: Triggered[T]) -> T:
        """Await a call: from now on its job must never run again."""
        found = await call
        self._given.add((call._scope.run.claimed.id, call._call.path))
        return found
