"""Stories that the simulated worlds play: workflows, what a client does with them, and what must have come of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from simulated_world import Client, World

from hub import ConcurrencyPolicy, Context, JobFailed, RateLimit, RetryPolicy, Workflow, job, wait_point, workflow
from hub.model.errors import Conflict, NonRetryable
from hub.model.execution import Status
from hub.model.wait import Resolution, WaitState


@dataclass(frozen=True, slots=True)
class Story:
    name: str
    workflows: Callable[[World], Sequence[Workflow[Any, Any]]]
    tell: Callable[[Client], Any]
    check: Callable[[World], None]


def _expect(world: World, workflow: str, result: Any, count: int = 1) -> None:
    """All of them succeeded with this result."""
    found = world.statuses(workflow)
    if len(found) != count:
        world.wrong(f"{len(found)} executions of {workflow}, not {count}")
    for execution, status, text in found:
        if status != "SUCCESS" or json.loads(text or "null") != result:
            world.wrong(f"{execution} of {workflow} is {status} with {text}, not {result}")


# --- one job after the other


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
    _expect(world, "waiting", 7)
    _expect(world, "sending", "sent")


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
    _expect(world, "asking", "guilty")
    _expect(world, "answering", "answered")


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
    _expect(world, "flaky", {"third": True, "caught": True, "mended": "mended"})
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
    _expect(world, "paced", "done", 5)
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


STORIES = [
    Story("sequence", _sequence, _tell_sequence, lambda world: _expect(world, "sequence", 3)),
    Story("fan", _fan, _tell_fan, lambda world: _expect(world, "fan", 1 + 1 + 4 + 2 + 9 + 16 + 4)),
    Story("question", _question, _tell_question, _check_question),
    Story("signals", _signals, _tell_signals, _check_signals),
    Story("answering", _answering, _tell_answering, _check_answering),
    Story("children", _children, _tell_children, _check_children),
    Story("flaky", _flaky, _tell_flaky, _check_flaky),
    Story("once", _once, _tell_once, _check_once),
    Story("paced", _paced, _tell_paced, _check_paced),
    Story("keyed", _keyed, _tell_keyed, lambda world: _expect(world, "keyed", "done", 5)),
]
