"""The hub as a library: what is declared on a client of one's own, and how it runs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from kit import until
from library_kit import Person, play

from hub import Client, ConcurrencyPolicy, Context, JobFailed, RetryPolicy, job, workflow
from hub.drivers import InMemoryDriver, SQLiteDriver
from hub.engine import keeping, worker
from hub.model.errors import BadInput, Conflict, ExecutionNotFound, InvalidArguments, NotFound
from hub.model.execution import Status


@dataclass
class Greeting:
    text: str


def test_the_readme_of_it(client, monkeypatch):
    monkeypatch.setattr(keeping, "_LOOK_SECONDS", 600)  # whoever waits is told

    @client.workflow(id="greet", input_schema=Person)
    async def greet(ctx, step):
        return await step.run("hello", lambda: {"name": ctx.input.name})

    async def story():
        run = await client.start_workflow(greet, {"name": "John"})
        assert await run.result() == {"name": "John"}
        assert await run.status() is Status.SUCCESS
        assert [call.path for call in (await run.record()).jobs] == ["greet", "greet/hello"]
        same = await client.start_workflow("greet", Person(name="Ann"), idempotency_key="k")
        again = await client.start_workflow("greet", {"name": "Bob"}, idempotency_key="k")
        assert (again.id, await again.result()) == (same.id, {"name": "Ann"})

    play(client, story)


def test_parameters_go_by_name_in_async_and_plain_functions(client):
    @client.workflow(id="all-three")
    async def all_three(step, input, ctx) -> Greeting:
        return Greeting(await step.run("one", lambda number: f"{number} {ctx.attempt}", input["n"]))

    @client.workflow(id="plain-one", input_schema=Greeting)
    def plain_one(input, step, greeting="Hello"):
        return step.run("one", lambda: greeting + " " + input.text).result()

    @client.workflow(id="none-at-all")
    def none_at_all():
        return 1

    async def story():
        runs = [
            await client.start_workflow(all_three, {"n": 4}),
            await client.start_workflow(plain_one, {"text": "you"}),
            await client.start_workflow(none_at_all),
        ]
        assert await asyncio.gather(*[run.result() for run in runs]) == [Greeting("4 1"), "Hello you", 1]

    play(client, story)


def test_what_cannot_be_declared(client):
    with pytest.raises(ValueError, match=r"test_client_form\.py:\d+: .*not a job name"):
        client.workflow(id="No Name")(lambda: 1)
    with pytest.raises(TypeError, match='"customer" of greet is none of them'):

        @client.workflow(id="greet")
        async def greet(ctx, customer):
            return customer

    with pytest.raises(TypeError, match="is a value, not a type"):
        client.workflow(id="greet", input_schema={"type": "object"})(lambda: 1)
    client.workflow(id="greet")(lambda: 1)
    with pytest.raises(BadInput, match=r"test_client_form\.py:\d+: there is a .*, at .*test_client_form\.py:\d+"):
        client.workflow(id="greet")(lambda: 2)


@pytest.mark.parametrize("driver", [None, "hub.db", InMemoryDriver, SQLiteDriver])
def test_what_is_no_driver(driver):
    with pytest.raises(TypeError, match=r"it must be a driver, such as SQLiteDriver\(path\)"):
        Client(driver=driver)


def test_a_sqlite_driver_takes_what_people_know_of_sqlite(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for driver in (
        SQLiteDriver("sqlite:///one.db"),
        SQLiteDriver(f"sqlite:///{tmp_path / 'two.db'}"),
        SQLiteDriver(":memory:"),
    ):
        client = Client(driver=driver)
        client.workflow(id="greet")(lambda: "Hello")

        async def story(client=client):
            return await (await client.start_workflow("greet")).result()

        assert play(client, story) == "Hello"
    assert {path.name for path in tmp_path.iterdir() if path.suffix == ".db"} == {"one.db", "two.db"}
    assert ":memory:" not in [path.name for path in tmp_path.iterdir()]


def test_failures_are_raised_and_resumed_under_the_same_id(client, monkeypatch):
    monkeypatch.setattr(worker, "_POLL_SECONDS", 600)  # tries that are due are not found by looking
    broken = [True]

    @client.workflow(id="stumble")
    async def stumble(step):
        await step.run("first", lambda: 1)
        if broken:
            raise LookupError("not there")
        return "mended"

    @client.workflow(id="again", retry_policy=RetryPolicy(max_retries=2, initial_backoff="5ms", max_backoff="5ms"))
    def again(ctx):
        if ctx.attempt < 3:
            raise ConnectionError("later")
        return ctx.attempt

    async def story():
        run = await client.start_workflow(stumble)
        with pytest.raises(LookupError, match="not there") as failed:
            await run.result()
        assert isinstance(failed.value, JobFailed)
        broken.clear()
        resumed = await client.resume(run)
        assert (resumed.id, await resumed.result()) == (run.id, "mended")
        assert await client.result(run.id, timeout="60s") == "mended"
        with pytest.raises(Conflict):
            await run.resume()
        assert await (await client.start_workflow(again)).result() == 3
        with pytest.raises(InvalidArguments):
            await client.start_workflow("typed", {"name": 5})
        with pytest.raises(NotFound, match='Did you mean "stumble"'):
            await client.start_workflow("stumbel")
        with pytest.raises(ExecutionNotFound):
            await client.run("no-such").result()
        with pytest.raises(ExecutionNotFound):
            await client.result("no-such")

    client.workflow(id="typed", input_schema=Person)(lambda ctx: ctx.input.name)
    play(client, story)


def test_policies_hold(client):
    running, most = [0], [0]

    @client.workflow(id="narrow", concurrency_policy=ConcurrencyPolicy(max_concurrent_executions=2))
    async def narrow():
        running[0] += 1
        most[0] = max(most[0], running[0])
        await until(lambda: most[0] > 1)
        await asyncio.sleep(0.005)
        running[0] -= 1

    async def story():
        runs = [await client.start_workflow(narrow) for _ in range(6)]
        await asyncio.gather(*[run.result() for run in runs])
        assert most == [2]

    play(client, story)


def test_workflows_made_apart_belong_to_it_too():
    @job
    async def apart(input: Person, ctx: Context) -> str:
        return f"{input.name} in {ctx.env['region']}"

    made = workflow("made-apart", apart)
    client = Client(driver=InMemoryDriver(), workflows=[made], env={"region": "here"})

    async def story():
        assert await (await client.start_workflow(made, Person(name="Ann"))).result() == "Ann in here"

    play(client, story)


def test_a_job_that_nobody_depends_on_is_added_for_the_older_spelling():
    @job
    def add_one(input: int) -> int:
        return input + 1

    client = Client(driver=InMemoryDriver())
    client.add(add_one)

    @client.workflow(id="counting")
    async def counting(ctx):
        return await ctx.jobs.add_one(1)

    async def story():
        assert await (await client.start_workflow(counting)).result() == 2
        for wrong in (add_one, 3):
            with pytest.raises(TypeError, match=r"is no workflow: make one with workflow\(…\)"):
                await client.start_workflow(wrong)
        with pytest.raises(TypeError, match="3 is no workflow"):
            client.add(3)

    play(client, story)


@pytest.mark.parametrize("key", ["", 5, "a\0b", "\ud800"])
def test_what_is_no_idempotency_key(client, key):
    client.workflow(id="greet")(lambda: "Hello")

    async def story():
        with pytest.raises(BadInput, match="is no idempotency key: it must be a text that is not empty"):
            await client.start_workflow("greet", idempotency_key=key)
        assert await client.executions() == []

    play(client, story)


def test_a_status_that_there_is_not_is_told(client):
    async def story():
        assert await client.executions(status="FAILED") == []
        with pytest.raises(NotFound, match=r'there is no status "FAILD"\. Did you mean "FAILED"'):
            await client.executions(status="FAILD")

    play(client, story)
