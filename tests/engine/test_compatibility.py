"""Parked executions against changed code: what can go on, what needs a person, what cannot be told. Nothing is executed."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from kit import PATIENCE, Bench

from hub import Context, job, patched, workflow
from hub.assembly.parts import operator
from hub.client import Client, revisions
from hub.drivers import ProjectDriver
from hub.engine import compatibility
from hub.engine.compatibility import Judged, Verdict
from hub.model.execution import Status
from hub.model.identity import MachineUser
from hub.model.wait import Signal
from hub.store.databases import Database

ran: list[str] = []


@job
async def charge(input: int) -> int:
    ran.append(f"charge {input}")
    return input


@job
async def notify(input: int) -> None:
    ran.append(f"notify {input}")


@job
async def settling(input: int, ctx: Context) -> int:
    ran.append("settling")
    await ctx.step.wait_for_signal("inner")
    return await charge.trigger(input)


async def first(input: dict, ctx: Context) -> int:
    found = await charge.trigger(1)
    await ctx.step.wait_for_signal("pause")
    await notify.trigger(found)
    return found


def _code(function: Any) -> Any:
    return workflow("changing", job(name="main-job")(function))


async def _judged(bench: Bench) -> list[Judged]:
    driver = ProjectDriver(
        store=bench.store,
        registry=bench.registry,
        surroundings=bench.surroundings,
        clock=bench.clock,
        executors={},
        reached=None,  # type: ignore[arg-type]  # nothing tells an address
        dispatch=None,  # type: ignore[arg-type]  # nothing is dispatched
        gate=None,  # type: ignore[arg-type]  # nobody signs in
        replay=None,  # type: ignore[arg-type]
        preview=None,  # type: ignore[arg-type]
    )
    ran.clear()
    found = await Client(driver, operator()).tell_changed()
    assert ran == [], "nothing may be executed"
    return found


async def same_but_for_what_comes_later(input: dict, ctx: Context) -> int:
    found = await charge.trigger(1)
    await ctx.step.wait_for_signal("pause")
    return found + await charge.trigger(2)


async def a_patched_change(input: dict, ctx: Context) -> int:
    if patched("notify-first"):
        await notify.trigger(0)
    found = await charge.trigger(1)
    await ctx.step.wait_for_signal("pause")
    return found


async def other_arguments(input: dict, ctx: Context) -> int:
    found = await charge.trigger(99)
    await ctx.step.wait_for_signal("pause")
    return found


async def a_call_before_the_wait(input: dict, ctx: Context) -> int:
    found = await charge.trigger(1)
    await notify.trigger(found)
    await ctx.step.wait_for_signal("pause")
    return found


async def no_wait_any_more(input: dict, ctx: Context) -> int:
    return await charge.trigger(1)


async def an_error_before_the_wait(input: dict, ctx: Context) -> int:
    await charge.trigger(1)
    raise ValueError("not any more")


async def another_input(input: int, ctx: Context) -> int:
    return await charge.trigger(1)


async def its_own_database(input: dict, ctx: Context) -> int:
    found = await charge.trigger(1)
    ctx.database("shop").run("DELETE FROM orders")
    await ctx.step.wait_for_signal("pause")
    return found


async def code_that_blocks(input: dict, ctx: Context) -> int:
    threading.Event().wait(1)
    return await charge.trigger(1)


@pytest.mark.parametrize(
    ("changed", "verdict", "said"),
    [
        (same_but_for_what_comes_later, Verdict.COMPATIBLE, "the same calls"),
        (a_patched_change, Verdict.COMPATIBLE, "the same calls"),
        (other_arguments, Verdict.NEEDS_A_PERSON, "was stored with the arguments 1 and is now called with 99"),
        (a_call_before_the_wait, Verdict.NEEDS_A_PERSON, "the code makes main-job/notify before it now"),
        (no_wait_any_more, Verdict.NEEDS_A_PERSON, "wait:pause which the code does not make any more"),
        (an_error_before_the_wait, Verdict.NEEDS_A_PERSON, "not any more"),
        (another_input, Verdict.NEEDS_A_PERSON, "valid integer"),
        (its_own_database, Verdict.UNKNOWN, "works with the database shop between its calls"),
        (code_that_blocks, Verdict.UNKNOWN, "did not come to its next call"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_parked_execution_is_held_against_the_code(
    tell: Any, changed: Any, verdict: Verdict, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compatibility, "_SECONDS", 0.2 if changed is code_that_blocks else PATIENCE)
    keeper = MachineUser("main", "keeper", {}, ("database:write:*", "workflow:start:*"))

    async def story(bench: Bench) -> None:
        execution_id = await bench.start("changing", invoker=keeper)
        await bench.work()
        before = await bench.record(execution_id)
        assert await _judged(bench) == [], "nothing has changed yet"
        bench.redefine(_code(changed))
        (judged,) = await _judged(bench)
        assert (judged.execution_id, judged.status) == (execution_id, before.status)
        assert judged.began_with == before.revision
        assert judged.revision == bench.registry.revision("changing")
        assert judged.verdict is verdict, judged.reason
        assert said in judged.reason
        after = await bench.record(execution_id)
        assert after.jobs == before.jobs
        told = after.reason or ""
        assert told.startswith(before.reason or "-")
        assert ("needs a person" in told) is (verdict is Verdict.NEEDS_A_PERSON)
        await _judged(bench)
        assert (await bench.record(execution_id)).reason == told, "it is said once"

    database = Database("shop", "sqlite://")
    tell(story, _code(first), users=[keeper], databases={"shop": database})


def test_rehearsals_together_have_a_limit(tell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(revisions.RevisionVerbs.changed.__kwdefaults__, "seconds", -1.0)

    async def story(bench: Bench) -> None:
        await bench.run("changing")
        bench.redefine(_code(other_arguments))
        (judged,) = await _judged(bench)
        assert (judged.verdict, judged.reason[:22]) == (Verdict.UNKNOWN, "it was not looked at: ")

    tell(story, _code(first))


def test_a_workflow_that_is_gone_needs_a_person(tell: Any) -> None:
    async def story(bench: Bench) -> None:
        await bench.run("changing")
        bench.redefine()
        (judged,) = await _judged(bench)
        assert judged.verdict is Verdict.NEEDS_A_PERSON
        assert judged.revision is None

    tell(story, _code(first))


def test_jobs_that_were_under_way_are_held_against_the_code_too(tell: Any) -> None:
    async def outer(input: dict) -> int:
        return await settling.trigger(3)

    @job(name="settling")
    async def changed(input: int, ctx: Context) -> int:
        await ctx.step.wait_for_signal("another")
        return input

    async def outer_again(input: dict) -> int:
        return await changed.trigger(3)

    async def story(bench: Bench) -> None:
        await bench.run("changing")
        bench.redefine(_code(outer_again))
        (judged,) = await _judged(bench)
        assert judged.verdict is Verdict.NEEDS_A_PERSON
        assert "wait:another before it now" in judged.reason

    tell(story, _code(outer))


def test_what_goes_wrong_all_the_same_names_both_revisions(tell: Any) -> None:
    async def story(bench: Bench) -> None:
        execution_id = await bench.start("changing")
        await bench.work()
        before = bench.registry.revision("changing")
        bench.redefine(_code(other_arguments))
        await bench.store.signal(Signal("the-one", "pause", "null", bench.clock.now()))
        await bench.work()
        record = await bench.record(execution_id)
        assert record.error is not None
        assert record.error["type"] == "ArgumentHashMismatch"
        assert (
            f"began with revision {before} of changing, and this is {bench.registry.revision('changing')}."
            in (record.error["message"])
        )

    tell(story, _code(first))


@job
async def asks(input: int, ctx: Context) -> Any:
    return await ctx.step.wait_for_signal("inner")


@job
def asks_plainly(input: int, ctx: Context) -> Any:
    return ctx.step.wait_for_signal("inner").result()


child = workflow("child-one", asks)


async def first_of_two(input: dict, ctx: Context) -> Any:
    await charge.trigger(1)
    return await ctx.step.first(one=ctx.step.wait_for_signal("one"), other=ctx.step.wait_for_signal("other"))


async def side_by_side(input: dict, ctx: Context) -> Any:
    return await asyncio.gather(asks.trigger(1), charge.trigger(2), ctx.step.wait_for_signal("mine"))


async def a_child(input: dict, ctx: Context) -> Any:
    return await ctx.step.invoke(child, 1)


def plain_jobs(input: dict, ctx: Context) -> Any:
    charge.trigger(1).result()
    return asks_plainly.trigger(2).result()


async def branches(input: dict, ctx: Context) -> Any:
    async def branch(number: int) -> Any:
        await charge.trigger(number)
        return await ctx.step.wait_for_signal(f"branch-{number}")

    return await asyncio.gather(branch(1), branch(2))


async def another_execution(input: dict, ctx: Context) -> Any:
    await ctx.step.send_signal("nobody", 1)
    await ctx.step.run("step", lambda: 3)
    return await ctx.step.wait_for_execution(await child.trigger(1))


@pytest.mark.parametrize(
    "code",
    [first_of_two, side_by_side, a_child, plain_jobs, branches, another_execution],
    ids=lambda code: code.__name__,
)
def test_however_it_waits_code_that_makes_the_same_calls_is_compatible(tell: Any, code: Any) -> None:
    async def story(bench: Bench) -> None:
        execution_id = await bench.start("changing")
        await bench.work()
        assert (await bench.record(execution_id)).status is Status.WAITING
        bench.redefine(workflow("changing", job(name="main-job", timeout="100h")(code)), child)
        (judged,) = await _judged(bench)
        assert judged.verdict is Verdict.COMPATIBLE, judged.reason

    tell(story, _code(code), child)
