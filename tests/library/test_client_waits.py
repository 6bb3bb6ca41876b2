"""The hub as a library: results, answers, signals and children that are waited for."""

from __future__ import annotations

import asyncio
from datetime import date

import pytest
from kit import PATIENCE
from library_kit import Person, asked_by, play

from hub import Context, JobFailed, job, wait_point
from hub.engine import keeping, worker
from hub.model.errors import Conflict, ExecutionNotFound, InvalidArguments, NotFound, Refused
from hub.model.identity import MachineUser
from hub.model.wait import WaitState

decision = wait_point("decision", payload=Person, result=bool, permission="order:approve:big")


def test_waiting_for_a_result_has_its_own_limit_and_a_cancel_ends_it(client, monkeypatch):
    monkeypatch.setattr(keeping, "_LOOK_SECONDS", 600)  # whoever waits is told, or waits until the story is given up

    @client.workflow(id="long-one")
    async def long_one(step):
        await step.sleep("pause", "7d")

    async def story():
        run = await client.start_workflow(long_one)
        waiting = asyncio.create_task(run.result())
        await asyncio.sleep(0.01)
        await run.cancel()
        with pytest.raises(JobFailed, match="was canceled"):
            await waiting
        run = await client.start_workflow(long_one)
        with pytest.raises(TimeoutError):
            await run.result(timeout="50ms")
        await run.cancel()
        with pytest.raises(Conflict):
            await client.cancel(run.id)

    play(client, story)


def test_answers_are_checked_and_say_who_gave_them(client):
    boss = MachineUser("staff", "boss", permissions=("wait-point:resolve:decision", "order:approve:*"))
    clerk = MachineUser("staff", "clerk", permissions=("wait-point:resolve:*",))
    guest = MachineUser("staff", "guest", permissions=("order:approve:big",))

    @client.workflow(id="decide")
    async def decide(input):
        answer = await decision.with_(order=input).wait({"name": "Ann"}, timeout="1d")
        return ["yes" if answer else "no"]

    async def story():
        client.add(decision)
        run = await client.start_workflow(decide, "o-1")
        asked = await asked_by(client)
        assert (asked[0].key, asked[0].payload) == ("decision:order=o-1", {"name": "Ann"})
        for user, missing in ((clerk, "order:approve:big"), (guest, "wait-point:resolve:decision")):
            with pytest.raises(Refused, match=missing):
                await client.resolve(run, asked[0].key, True, user=user)
        with pytest.raises(InvalidArguments):
            await client.resolve(run, asked[0].key, "perhaps", user=boss)
        with pytest.raises(NotFound, match='Did you mean "decision"'):
            await client.resolve(run, "decisoin", True)
        with pytest.raises(ExecutionNotFound):
            await client.resolve("no-such", decision, True)
        state = await client.resolve(run.id, decision.with_(order="o-1"), lambda asked: asked.name == "Ann", user=boss)
        assert (state, await run.result()) == (WaitState.RESOLVED, ["yes"])
        with pytest.raises(Conflict, match="has ended"):
            await client.resolve(run, asked[0].key, True)
        (done,) = await client.wait_points(open_only=False)
        assert (done.resolved_by, done.result) == ("machine-user:staff/boss", True)

    play(client, story)


def test_an_answer_and_a_signal_wake_what_is_not_parked(client, monkeypatch):
    """Beside a job that goes on, an open wait stays in the process: it is told at once, not at the next look."""
    monkeypatch.setattr(keeping, "_LOOK_SECONDS", 600)
    began, answered = asyncio.Event(), asyncio.Event()

    @job
    async def busy(ctx: Context) -> None:
        began.set()
        await answered.wait()

    @client.workflow(id="both")
    async def both(step):
        going = busy.trigger()
        first = await decision.wait({"name": "x"})
        second = await step.wait_for_signal("go-on")
        answered.set()
        await going
        return [first, second]

    async def story():
        run = await client.start_workflow(both)
        await asyncio.wait_for(began.wait(), PATIENCE)
        assert await client.resolve(run, decision, True) in set(WaitState)
        await asyncio.sleep(0.05)
        await client.send_signal("go-on", {"n": 1}, execution=run)
        assert await run.result() == [True, {"n": 1}]

    play(client, story)


def test_a_child_that_ends_wakes_its_parent(client, monkeypatch):
    monkeypatch.setattr(worker, "_POLL_SECONDS", 600)  # nobody looks by himself before the story is over

    @client.workflow(id="child")
    async def child(step):
        await step.sleep("a-moment", "20ms")
        return 7

    @client.workflow(id="parent")
    async def parent(step):
        return await step.invoke(child)

    async def story():
        assert await (await client.start_workflow(parent)).result() == 7

    play(client, story)


@pytest.mark.parametrize("moment", [None, 5, "tomorrow", date(2026, 3, 29)])
def test_what_is_no_instant_is_told_to_who_would_sleep_until_it(client, moment):
    @client.workflow(id="dozing")
    async def dozing(step):
        await step.sleep_until("then", moment)

    async def story():
        run = await client.start_workflow(dozing)
        with pytest.raises(JobFailed, match="is not an instant: give a datetime"):
            await run.result()

    play(client, story)
