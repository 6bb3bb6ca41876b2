"""Stories of waits: questions, signals, answers and children."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from simulated_client import Client
from simulated_world import World
from simulation_story import Story, expect

from hub import Context, Workflow, job, wait_point, workflow
from hub.model.errors import Conflict
from hub.model.execution import Status
from hub.model.wait import Resolution, WaitState


def _question(world: World) -> list[Workflow[Any, Any]]:
    approval = wait_point("approval", dict, str)

    @job
    async def ask(ctx: Context) -> int:
        return world.target(ctx) and 1

    @job(name="question-main")
    async def main(ctx: Context) -> str:
        await ask.trigger()
        return await approval.wait({"what": 1}, timeout="4s", default="nobody")

    return [workflow("question", main)]


async def _tell_question(client: Client) -> None:
    world = client.world
    world.told = {}  # type: ignore[attr-defined]
    execution = await client.start("question", {}, "one")
    await asyncio.sleep(client.random.choice([0.0, 0.1, 1.0, 3.9, 4.0, 4.2, 20.0]))
    try:
        state = await client.until_answered(
            lambda: client.store.resolve_wait(
                Resolution(execution, "approval", '"yes"', world.clock.now(), "person", once=True)
            )
        )
    except Conflict:
        world.told[execution] = "nobody"  # type: ignore[attr-defined]
    else:
        world.told[execution] = "nobody" if state is WaitState.TIMED_OUT else "yes"  # type: ignore[attr-defined]


def _check_question(world: World) -> None:
    told: dict[str, str] = world.told  # type: ignore[attr-defined]
    for execution, status, text in world.statuses("question"):
        expected = told.get(execution)
        if status != "SUCCESS" or json.loads(text or "null") != expected:
            world.wrong(f"the answer was {expected}, the execution is {status} with {text}")


# --- time, then a signal from another execution


def _signals(world: World) -> list[Workflow[Any, Any]]:
    @job(name="waiting-main")
    async def waiting(ctx: Context) -> int:
        before = world.clock.now()
        await ctx.step.run("note", lambda: before)
        asked = await ctx.step.run("when", world.clock.now)
        await ctx.step.sleep("pause", "3s")
        if not world.stepped and world.clock.now() < asked + 3000:
            world.wrong(f"it slept {world.clock.now() - asked} ms instead of 3 s")
        return await ctx.step.wait_for_signal("go")

    @job(name="sending-main")
    async def sending(ctx: Context) -> str:
        world.target(ctx)
        await ctx.step.sleep("pause", "2s")
        await ctx.step.send_signal("go", 7)
        return "sent"

    return [workflow("waiting", waiting), workflow("sending", sending)]


async def _tell_signals(client: Client) -> None:
    await client.start("waiting", {}, "w")
    await asyncio.sleep(client.random.choice([0, 1, 5]))
    await client.start("sending", {}, "s")


def _check_signals(world: World) -> None:
    expect(world, "waiting", 7)
    expect(world, "sending", "sent")


# --- an execution that answers another one, which has not asked yet


def _answering(world: World) -> list[Workflow[Any, Any]]:
    verdict = wait_point("verdict", dict, str)

    @job(name="asking-main")
    async def asking(ctx: Context) -> str:
        await ctx.step.sleep("first", "1s")
        return await verdict.wait({})

    @job
    async def answer(input: str, ctx: Context) -> str:
        world.target(ctx)
        await verdict.resolve(input, "guilty")
        return "answered"

    @job(name="answering-main")
    async def answering(input: str, ctx: Context) -> str:
        return await answer.trigger(input)

    return [workflow("asking", asking), workflow("answering", answering)]


async def _tell_answering(client: Client) -> None:
    asking = await client.start("asking", {}, "a")
    await asyncio.sleep(client.random.choice([0, 0.1, 2]))
    answering = await client.start("answering", asking, "b")
    # Three deaths in a row, and whoever asks has failed before it was answered: the answer is refused, and its giver
    # fails. When the first has been resumed, a person lets the second go on, too. No other refusal is forgiven.
    while await client.ended(answering) is Status.FAILED:
        ((error,),) = client.world.database.rows("SELECT error FROM executions WHERE id = ?", answering)
        refused = f"execution {asking} has ended (FAILED)" in error
        if not refused and "WorkerLost" not in error:
            client.world.wrong(f"the answer was refused: {error}")
            return
        if refused and await client.status(asking) is not Status.FAILED:
            await client.resume(answering)
        await asyncio.sleep(0.2)


def _check_answering(world: World) -> None:
    expect(world, "asking", "guilty")
    expect(world, "answering", "answered")


# --- children, and a cancel that reaches them


def _children(world: World) -> list[Workflow[Any, Any]]:
    @job
    async def work(input: int, ctx: Context) -> int:
        world.target(ctx)
        await asyncio.sleep(0.2)
        return input

    @job(name="child-main")
    async def child(input: int, ctx: Context) -> int:
        first = await world.target.given(work.trigger(input))
        await ctx.step.sleep("rest", "1s")
        return first + await work.trigger(input)

    inner = workflow("child", child)

    @job(name="parent-main")
    async def parent(ctx: Context) -> int:
        await work.trigger(0)
        return sum(await asyncio.gather(ctx.step.invoke(inner, 1), ctx.step.invoke(inner, 2)))

    return [workflow("parent", parent), inner]


async def _tell_children(client: Client) -> None:
    await client.start("parent", {}, "stays")
    gone = await client.start("parent", {}, "goes")
    await asyncio.sleep(client.random.choice([0.05, 0.3, 1.0, 3.0]))
    client.world.held = await client.cancel(gone)  # type: ignore[attr-defined]


def _check_children(world: World) -> None:
    for key, execution in world.accepted.items():
        ((status, result),) = world.database.rows("SELECT status, result FROM executions WHERE id = ?", execution)
        below = world.database.rows("SELECT status FROM executions WHERE parent_id = ?", execution)
        if len(below) > 2:
            world.wrong(f"{execution} has {len(below)} children instead of 2")
        if key == "goes" and world.held:  # type: ignore[attr-defined]
            if status != "CANCELED" or any(one not in ("CANCELED", "SUCCESS") for (one,) in below):
                world.wrong(f"canceled, and then {status} with children {below}")
        elif (status, result) != ("SUCCESS", "6"):
            world.wrong(f"{key} is {status} with {result}")


# --- tries: of a job, of the whole, a failure that stays, and a resume


QUESTION = Story("question", _question, _tell_question, _check_question)
SIGNALS = Story("signals", _signals, _tell_signals, _check_signals)
ANSWERING = Story("answering", _answering, _tell_answering, _check_answering)
CHILDREN = Story("children", _children, _tell_children, _check_children)
