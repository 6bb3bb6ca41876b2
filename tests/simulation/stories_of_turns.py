"""Stories of executions that wait for their turn."""

from __future__ import annotations

import asyncio
from typing import Any

from simulated_client import Client
from simulated_world import World
from simulation_story import Story, expect

from hub import ConcurrencyPolicy, Context, RateLimit, Workflow, job, workflow


def _paced(world: World) -> list[Workflow[Any, Any]]:
    @job(name="paced-main")
    async def main(ctx: Context) -> str:
        world.target(ctx)
        return "done"

    return [workflow("paced", main, rate_limit=RateLimit(2, "5s"))]


async def _tell_paced(client: Client) -> None:
    for number in range(5):
        await client.start("paced", {}, f"p{number}")


def _check_paced(world: World) -> None:
    expect(world, "paced", "done", 5)
    begun = [at for (at,) in world.database.rows("SELECT started_at FROM executions ORDER BY started_at")]
    if not world.stepped and any(later - at < 5_000 for at, later in zip(begun, begun[2:], strict=False)):
        world.wrong(f"more than two began in five seconds: {begun}")


# --- one at a time for each key


def _keyed(world: World) -> list[Workflow[Any, Any]]:
    @job
    async def hold(ctx: Context) -> None:
        world.target(ctx)
        await asyncio.sleep(0.3)

    @job(name="keyed-main")
    async def main(input: dict[str, Any], ctx: Context) -> str:
        await hold.trigger()
        return "done"

    return [workflow("keyed", main, concurrency_policy=ConcurrencyPolicy(1, key="input.customer"))]


async def _tell_keyed(client: Client) -> None:
    for number in range(5):
        await client.start("keyed", {"customer": number % 2}, f"k{number}")


PACED = Story("paced", _paced, _tell_paced, _check_paced)
KEYED = Story("keyed", _keyed, _tell_keyed, lambda world: expect(world, "keyed", "done", 5))
