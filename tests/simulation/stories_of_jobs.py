"""Stories of jobs: one after the other, side by side, that fail, and that may run once only."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from simulated_client import Client
from simulated_world import World
from simulation_story import Story, expect

from hub import Context, JobFailed, RetryPolicy, Workflow, job, workflow
from hub.model.errors import NonRetryable
from hub.model.execution import Status


def _sequence(world: World) -> list[Workflow[Any, Any]]:
    @job
    async def step(input: int, ctx: Context) -> int:
        world.target(ctx)
        await asyncio.sleep(0.05)
        return input + 1

    @job(name="sequence-main")
    async def main(ctx: Context) -> int:
        value = 0
        for _ in range(3):
            value = await world.target.given(step.trigger(value))
        return value

    return [workflow("sequence", main)]


async def _tell_sequence(client: Client) -> None:
    await client.start("sequence", {}, "one", again=True)


# --- many side by side


def _fan(world: World) -> list[Workflow[Any, Any]]:
    @job
    async def leaf(input: int, ctx: Context) -> int:
        world.target(ctx)
        await asyncio.sleep(0.01 * input)
        return input * input

    @job
    def plain(input: int, ctx: Context) -> int:
        world.target(ctx)
        return input

    @job(name="fan-main")
    async def main(ctx: Context) -> int:
        async def branch(number: int) -> int:
            return await world.target.given(leaf.trigger(number)) + await world.target.given(plain.trigger(number))

        return sum(await asyncio.gather(branch(1), branch(2), leaf.trigger(3), branch(4)))

    return [workflow("fan", main)]


async def _tell_fan(client: Client) -> None:
    await client.start("fan", {}, "one", again=True)


# --- a question, with an answer that comes before, in time, about when it is too late, or never


def _flaky(world: World) -> list[Workflow[Any, Any]]:
    @job(retry=RetryPolicy(max_retries=3, initial_backoff="500ms"))
    async def third_time(ctx: Context) -> int:
        world.target(ctx)
        if ctx.attempt < 3:
            raise ConnectionError("not yet")
        return ctx.attempt >= 3

    @job(retry=RetryPolicy(max_retries=2, initial_backoff="200ms"))
    async def never(ctx: Context) -> None:
        world.target(ctx)
        await asyncio.sleep(0.01)
        raise ConnectionError("never")

    @job
    async def mended(ctx: Context) -> str:
        world.target(ctx)
        if not world.mended:  # type: ignore[attr-defined]
            raise NonRetryable("somebody has to mend it")
        return "mended"

    @job(name="flaky-main")
    async def main(ctx: Context) -> dict[str, Any]:
        third = await third_time.trigger()
        try:
            await never.trigger()
        except (JobFailed, ConnectionError):
            caught = True
        return {"third": bool(third), "caught": caught, "mended": await mended.trigger()}

    return [workflow("flaky", main, retry_policy=RetryPolicy(max_retries=2, initial_backoff="1s"))]


async def _tell_flaky(client: Client) -> None:
    world = client.world
    world.mended = False  # type: ignore[attr-defined]
    execution = await client.start("flaky", {}, "one")
    status = await client.ended(execution)
    if status is not Status.FAILED:
        world.wrong(f"nobody has mended it, and it is {status}")
    world.mended = True  # type: ignore[attr-defined]
    await client.resume(execution)


def _check_flaky(world: World) -> None:
    expect(world, "flaky", {"third": True, "caught": True, "mended": "mended"})
    for (execution, path), tries in world.target.count.items():
        claims = world.database.rows("SELECT epoch FROM executions WHERE id = ?", execution)[0][0]
        most = {"flaky-main/third_time": 3, "flaky-main/never": 3}.get(path)
        recorded = world.database.rows(
            "SELECT attempts FROM checkpoints WHERE execution_id = ? AND path = ?", execution, path
        )[0][0]
        if most is not None and (recorded > most + claims - 1 or tries > recorded + claims - 1):
            world.wrong(f"{path}: {tries} effects and {recorded} tries, of at most {most} in {claims} claims")


# --- what must not happen twice


def _once(world: World) -> list[Workflow[Any, Any]]:
    @job(at_most_once=True, on_unknown="fail")
    async def pay(ctx: Context) -> str:
        world.target(ctx)
        await asyncio.sleep(0.05)
        return "paid"

    @job(name="once-main")
    async def main(ctx: Context) -> list[str]:
        told = []
        for _ in range(2):
            try:
                told.append(await world.target.given(pay.trigger()))
            except JobFailed:
                told.append("unknown")
        return told

    return [workflow("once", main)]


async def _tell_once(client: Client) -> None:
    await client.start("once", {}, "one", again=True)


def _check_once(world: World) -> None:
    for (_, path), count in world.target.count.items():
        if count > 1:
            world.wrong(f"{path} was to happen at most once, and did {count} times")
    for execution, status, text in world.statuses("once"):
        told = json.loads(text or "[]")
        if status != "SUCCESS" or len(told) != 2 or not set(told) <= {"paid", "unknown"}:
            world.wrong(f"{execution} is {status} with {text}")
        if told.count("paid") > len(world.target.count):
            world.wrong(f"{execution} was told {told}, and {len(world.target.count)} were paid")


# --- no more than two in five seconds


SEQUENCE = Story("sequence", _sequence, _tell_sequence, lambda world: expect(world, "sequence", 3))
FAN = Story("fan", _fan, _tell_fan, lambda world: expect(world, "fan", 1 + 1 + 4 + 2 + 9 + 16 + 4))
FLAKY = Story("flaky", _flaky, _tell_flaky, _check_flaky)
ONCE = Story("once", _once, _tell_once, _check_once)
