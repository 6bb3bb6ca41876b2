"""Stories in which several things come at the same moment, or one where another one stands."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from simulated_client import Client
from simulated_world import World
from simulation_story import Story, expect

from hub import (
    ConcurrencyPolicy,
    Context,
    JobFailed,
    JobTimeout,
    RateLimit,
    RetryPolicy,
    Workflow,
    job,
    workflow,
)
from hub.engine.going_on import GoingOn
from hub.model.errors import HubError
from hub.model.wait import Signal

# --- a signal that comes while it is waited for, while that is parked, and when its time is up


def _rush(world: World) -> list[Workflow[Any, Any]]:
    @job(name="rush-main")
    async def rush(ctx: Context) -> str:
        world.target(ctx)
        return await ctx.step.wait_for_signal("go", timeout="2s", default="none")

    @job(name="after-main")
    async def after(ctx: Context) -> str:
        return await ctx.step.wait_for_signal("go", timeout="1s", default="none")

    return [workflow("rush", rush), workflow("after", after)]


async def _tell_rush(client: Client) -> None:
    execution = await client.start("rush", {}, "first")
    moment = client.random.choice([0.0, 0.001, 0.0025, 0.004, 0.03, 1.0, 1.999, 2.0, 2.0005, 2.002, 2.03, 5.0])
    await asyncio.sleep(moment)
    signal = Signal("client/1", "go", '"yes"', client.world.clock.now(), False, None)
    await client.until_answered(lambda: client.store.signal(signal))
    await client.ended(execution)
    await client.start("after", {}, "second")


def _check_rush(world: World) -> None:
    """One signal has one taker."""
    found = [*world.statuses("rush"), *world.statuses("after")]
    given = sorted(json.loads(text or "null") for _, _, text in found)
    if [status for _, status, _ in found] != ["SUCCESS"] * 2 or given != ["none", "yes"]:
        world.wrong(f"one signal, and {found}")


# --- a job that ends as its time is up, and one that does not end


def _late(world: World) -> list[Workflow[Any, Any]]:
    @job
    async def refused(ctx: Context) -> None:
        world.wrong(f"{ctx.path} was called by a job that had been left alone")

    @job(timeout="500ms", retry=RetryPolicy(max_retries=2, initial_backoff="200ms"))
    async def close(ctx: Context) -> int:
        world.target(ctx)
        await asyncio.sleep(0.5 if ctx.attempt < 3 else 0.1)
        return 1

    @job
    async def stubborn(ctx: Context) -> int:
        if world.target(ctx) > 1:
            return 2
        for _ in range(35):  # and not for 3.5 s: a frozen process would have given it no grace
            try:
                await asyncio.sleep(0.1)
            except asyncio.CancelledError:
                continue
        await refused.trigger()
        return 3

    @job(timeout="500ms", retry=RetryPolicy(max_retries=1, initial_backoff="200ms"))
    async def timed() -> int:
        return await stubborn.trigger()

    @job(name="late-main")
    async def main() -> int:
        found = await world.target.given(close.trigger()) + await world.target.given(timed.trigger())
        await asyncio.sleep(2)
        return found

    return [workflow("late", main, retry_policy=RetryPolicy(max_retries=5, initial_backoff="100ms"))]


async def _tell_late(client: Client) -> None:
    await client.start("late", {}, "one")


# --- a cancel and a fork of what pays at most once beside a child that is parked


def _forked(world: World) -> list[Workflow[Any, Any]]:
    @job(at_most_once=True, on_unknown="fail")
    async def pay(ctx: Context) -> str:
        world.target(ctx)
        await asyncio.sleep(0.05)
        return "paid"

    @job
    async def work(input: int, ctx: Context) -> int:
        world.target(ctx)
        await asyncio.sleep(0.02)
        return input

    @job(name="below-main")
    async def below(ctx: Context) -> int:
        await ctx.step.sleep("rest", "2s")
        return await world.target.given(work.trigger(1))

    inner = workflow("below", below)

    @job(name="above-main")
    async def above(ctx: Context) -> list[str]:
        await world.target.given(work.trigger(0))
        found = await asyncio.gather(pay.trigger(), ctx.step.invoke(inner), return_exceptions=True)
        return ["failed" if isinstance(one, JobFailed | JobTimeout) else str(one) for one in found]

    return [workflow("above", above), inner]


async def _tell_forked(client: Client) -> None:
    world, choose = client.world, client.random
    execution = await client.start("above", {}, "first")
    await asyncio.sleep(choose.choice([0.02, 0.05, 0.1, 0.5, 1.9, 2.0, 2.1, 4.0]))
    world.gone = {execution} if await client.cancel(execution) else set()  # type: ignore[attr-defined]
    going_on = GoingOn(client.store, world.registry, world.clock)
    path = choose.choice(["above-main/work", "above-main/pay", "above-main/invoke:below"])
    try:
        forked = await client.until_answered(
            lambda: going_on.fork(execution, path, requested_by="client", idempotency_key="fork")
        )
    except HubError:  # it had not come so far
        return
    world.accepted["fork"] = forked.id
    await asyncio.sleep(choose.choice([0.02, 0.1, 1.0, 2.0, 9.0]))
    if await client.cancel(forked.id):
        world.gone.add(forked.id)  # type: ignore[attr-defined]


def _check_forked(world: World) -> None:
    for (execution, path), count in world.target.count.items():
        if path.endswith("/pay") and count > 1:
            world.wrong(f"{path} of {execution} was to happen at most once, and did {count} times")
    gone: set[str] = world.gone  # type: ignore[attr-defined]
    for execution, status, text in world.statuses("above"):
        children = [
            one for (one,) in world.database.rows("SELECT status FROM executions WHERE parent_id = ?", execution)
        ]
        if execution in gone:
            if status != "CANCELED" or not set(children) <= {"CANCELED", "SUCCESS"}:
                world.wrong(f"{execution} was canceled, and is {status} with {children}")
        elif status != "SUCCESS" or json.loads(text or "null") not in (["paid", "1"], ["failed", "1"]):
            world.wrong(f"{execution} is {status} with {text}")
        if len(children) > 1:
            world.wrong(f"{execution} has {len(children)} children")


# --- a limit for each key, a rate, tries that rest, and a cancel among them


def _narrow(world: World) -> list[Workflow[Any, Any]]:
    @job(retry=RetryPolicy(max_retries=2, initial_backoff="20s", max_backoff="20s"))
    async def second_time(ctx: Context) -> str:
        world.target(ctx)
        if ctx.attempt == 1:
            raise ConnectionError("not yet")
        return "done"

    @job(name="narrow-main")
    async def main(ctx: Context) -> str:
        return await second_time.trigger()

    return [
        workflow(
            "narrow",
            main,
            concurrency_policy=ConcurrencyPolicy(1, key="input.customer"),
            rate_limit=RateLimit(2, "3s"),
        )
    ]


async def _tell_narrow(client: Client) -> None:
    chosen = [await client.start("narrow", {"customer": number % 2}, f"n{number}") for number in range(6)]
    await asyncio.sleep(client.random.uniform(0, 12))
    gone = client.random.choice(chosen)
    client.world.gone = {gone} if await client.cancel(gone) else set()  # type: ignore[attr-defined]


def _check_narrow(world: World) -> None:
    for execution, status, _ in world.statuses("narrow"):
        if status != ("CANCELED" if execution in world.gone else "SUCCESS"):  # type: ignore[attr-defined]
            world.wrong(f"{execution} is {status}")
    begun = [at for (at,) in world.database.rows("SELECT started_at FROM executions WHERE started_at > 0 ORDER BY 1")]
    if not world.stepped and any(later - at < 3_000 for at, later in zip(begun, begun[2:], strict=False)):
        world.wrong(f"more than two began in three seconds: {begun}")


RACES = [
    Story("rush", _rush, _tell_rush, _check_rush),
    Story("late", _late, _tell_late, lambda world: expect(world, "late", 3)),
    Story("forked", _forked, _tell_forked, _check_forked),
    Story("narrow", _narrow, _tell_narrow, _check_narrow),
]
