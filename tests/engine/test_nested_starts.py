"""Executions that start executions: once, and never with more rights."""

from __future__ import annotations

import pytest
from kit import Bench, of

from hub import Context, job, trigger_workflow, workflow
from hub.engine.surroundings import Surroundings
from hub.model.errors import Refused
from hub.model.execution import Status
from hub.model.identity import MachineUser


def user(name: str, *permissions: str) -> MachineUser:
    return MachineUser("main-auth", name, {"role": name}, permissions)


BOT = user("workflow-bot", "workflow:start:order-*", "secret:read:KEY")
SMALL = user("small-bot", "workflow:start:order-one")
OPS = user("ops-user", "admin")
USERS = [BOT, SMALL, OPS]

stops: list = []


@job
async def other_main(input: dict, ctx: Context) -> dict:
    return {"as": None if ctx.invoker is None else ctx.invoker.name, **input}


@job
async def stop_once() -> None:
    stops.append(1)
    if len(stops) == 1:
        raise RuntimeError("once")


order_one = workflow("order-one", other_main)
secret_one = workflow("secret-one", other_main)


def starting(*args, **how):
    @job(name="main-job")
    async def main() -> str:
        stops.append(0)
        return await order_one.trigger(*args, **how)

    return workflow("starting", main)


async def others(bench: Bench) -> list:
    return await bench.store.executions(workflow="order-one")


@pytest.mark.parametrize("way", ["object", "name"])
def test_it_may_be_more_urgent_than_its_workflow(tell, way):
    @job(name="main-job")
    async def main() -> str:
        if way == "object":
            return await order_one.trigger({}, priority=7)
        return await trigger_workflow("order-one", {}, priority=7)

    async def story(bench: Bench) -> None:
        begun = []
        start = bench.store.start_nested
        bench.store.start_nested = lambda request, call: begun.append(request.priority) or start(request, call)
        assert (await bench.run("starting", invoker=OPS)).status is Status.SUCCESS
        assert begun == [7]

    tell(story, workflow("starting", main), order_one, users=USERS)


def test_a_priority_out_of_bounds_is_refused_at_the_call(tell):
    async def story(bench: Bench) -> None:
        record = await bench.run("starting", invoker=OPS)
        assert record.error is not None
        assert "priority" in record.error["message"]
        assert await others(bench) == []

    tell(story, starting({}, priority=10_000), order_one, users=USERS)


@pytest.mark.parametrize("way", ["object", "name", "plain"])
def test_it_is_started_once_whatever_runs_again(tell, way):
    stops.clear()

    @job(name="main-job")
    async def main() -> str:
        found = await (order_one.trigger({"n": 1}) if way == "object" else trigger_workflow("order-one", {"n": 1}))
        await stop_once.trigger()
        return found

    @job(name="main-job")
    def main_plain() -> str:
        found = order_one.trigger({"n": 1}).result()
        stop_once.trigger().result()
        return found

    async def story(bench: Bench) -> None:
        record = await bench.run("starting-it")
        assert record.status is Status.FAILED
        await bench.store.resume(record.id)
        await bench.work()
        record = await bench.record(record.id)
        (started,) = await others(bench)
        assert record.result == started.id
        assert (started.result, started.requested_by) == ({"as": None, "n": 1}, f"execution:{record.id}")
        assert of(record, "main-job/start:order-one").result == f'"{started.id}"'

    tell(story, workflow("starting-it", main_plain if way == "plain" else main), order_one)


def test_several_starts_are_several_and_a_key_makes_them_one(tell):
    @job(name="main-job")
    async def main() -> list:
        return [
            await order_one.trigger({}),
            await order_one.trigger({}),
            await order_one.trigger({}, idempotency_key="mine"),
            await order_one.trigger({}, idempotency_key="mine"),
        ]

    async def story(bench: Bench) -> None:
        ids = await bench.succeed("starting-many")
        assert len(set(ids)) == 3
        assert ids[2] == ids[3]
        assert len(await others(bench)) == 3

    tell(story, workflow("starting-many", main), order_one)


@pytest.mark.parametrize(
    ("running", "asked", "acts_as"),
    [
        (BOT, None, "workflow-bot"),
        (BOT, "workflow-bot", "workflow-bot"),
        (BOT, "small-bot", "small-bot"),
        (OPS, "workflow-bot", "workflow-bot"),
        (None, None, None),
        (BOT, "ops-user", Refused),
        (SMALL, "workflow-bot", Refused),
        (None, "small-bot", Refused),
    ],
)
def test_a_nested_execution_has_no_more_rights_than_the_running_one(tell, running, asked, acts_as):
    async def story(bench: Bench) -> None:
        execution_id = await _start_unchecked(bench, running)
        await bench.work()
        record = await bench.record(execution_id)
        started = await others(bench)
        if acts_as is Refused:
            assert (record.error["type"], started) == ("Refused", [])
        else:
            assert [found.result["as"] for found in started] == [acts_as]

    tell(story, starting({}, invoker=asked), order_one, users=USERS)


async def _start_unchecked(bench: Bench, invoker):
    """The running one was started by somebody with the right to it."""
    from dataclasses import replace

    from hub.engine.starting import start_request
    from hub.model.values import canonical

    request = start_request(
        bench.registry, bench.surroundings, bench.clock, workflow="starting", args={}, invoker=None, requested_by="test"
    )
    acting = None if invoker is None else canonical(invoker.as_json())
    return (await bench.store.start(replace(request, invoker=acting))).id


def test_it_needs_the_permission_for_that_workflow(tell):
    @job(name="main-job")
    async def main() -> None:
        await secret_one.trigger({})

    async def story(bench: Bench) -> None:
        execution_id = await _start_unchecked(bench, BOT)
        await bench.work()
        error = (await bench.record(execution_id)).error
        assert error["type"] == "Refused"
        assert '"workflow:start:secret-one"' in error["message"]

    tell(story, workflow("starting", main), secret_one, users=USERS)


@pytest.mark.parametrize(
    ("own", "other", "covered"),
    [
        ("admin", "secret:read:KEY", True),
        ("workflow:start", "workflow:start:x-*", True),
        ("workflow:*", "workflow:start:x", True),
        ("workflow:start:order-*", "workflow:start:order-x*", True),
        ("workflow:start:order-*", "workflow:start:*", False),
        ("workflow:start:order-*", "workflow:start", False),
        ("workflow:start:a?", "workflow:start:a*", False),
        ("workflow:start:[ab]*", "workflow:start:[ab]*", True),
        ("workflow:start", "workflow:cancel", False),
        ("workflow:start", "admin", False),
    ],
)
def test_which_rights_cover_which(own, other, covered):
    def check():
        Surroundings().refuse_more_rights(user("one", own), user("two", other))

    if covered:
        check()
    else:
        with pytest.raises(Refused):
            check()


def test_auth_invoker_is_checked(tell):
    @job(name="main-job")
    async def main(input: dict) -> None:
        await trigger_workflow("order-one", {}, auth_invoker=input["auth"])

    async def story(bench: Bench) -> None:
        good = {"namespace": "main-auth", "machine_user_name": "workflow-bot"}
        assert (await bench.run("authorised", {"auth": good}, invoker=OPS)).status is Status.SUCCESS
        error = (await bench.run("authorised", {"auth": {"name": "x"}}, invoker=OPS)).error
        assert "machine_user_name" in error["message"]
        error = (await bench.run("authorised", {"auth": {"machine_user_name": "worklow-bot"}}, invoker=OPS)).error
        assert 'Did you mean "workflow-bot"?' in error["message"]

    tell(story, workflow("authorised", main), order_one, users=USERS)


def test_a_right_that_is_taken_away_is_gone_at_the_next_step(tell):
    @job(name="main-job")
    async def main(ctx: Context) -> list:
        found = [ctx.secret("KEY").split()[0]]
        try:
            ctx.secret("OTHER")
        except Refused:
            found.append("refused")
        return found

    async def story(bench: Bench) -> None:
        known = bench.surroundings
        bench.worker.replace(
            bench.registry, Surroundings(machine_users=known.machine_users, secret=lambda name: f"value of {name}")
        )
        execution_id = await _start_unchecked(bench, BOT)
        await bench.work()
        assert (await bench.record(execution_id)).result == ["value", "refused"]
        execution_id = await _start_unchecked(bench, BOT)
        bench.worker.replace(
            bench.registry, Surroundings(machine_users={"main-auth": {"workflow-bot": user("workflow-bot")}})
        )
        await bench.work()
        assert (await bench.record(execution_id)).error["type"] == "Refused"

    tell(story, workflow("starting", main), users=USERS)
