"""The hub as a library: a client in a program of one's own."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
from kit import PATIENCE, until
from pydantic import BaseModel

from hub import Client, ConcurrencyPolicy, Context, JobFailed, RetryPolicy, job, wait_point, workflow
from hub.drivers import InMemoryDriver, PostgresDriver, SQLiteDriver
from hub.engine import keeping, worker
from hub.model.clock import SystemClock
from hub.model.errors import BadInput, Conflict, ExecutionNotFound, HubError, InvalidArguments, NotFound, Refused
from hub.model.execution import Status
from hub.model.identity import MachineUser
from hub.model.wait import WaitState

PROGRAM = Path(__file__).with_name("client_program.py")


class Person(BaseModel):
    name: str


@dataclass
class Greeting:
    text: str


decision = wait_point("decision", payload=Person, result=bool, permission="order:approve:big")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def driver(request, quick_path):
    if request.param == "postgres":
        return PostgresDriver(request.getfixturevalue("postgres_url"))
    return InMemoryDriver() if request.param == "memory" else SQLiteDriver(quick_path / "library.db")


@pytest.fixture
def client(driver):
    return Client(driver=driver)


def play(client, story):
    async def whole():
        async with client, asyncio.timeout(PATIENCE):
            return await story()

    return asyncio.run(whole())


async def asked_by(client):
    """What is asked, as soon as something is."""
    while True:
        if found := await client.wait_points():
            return found
        await asyncio.sleep(0.002)


def test_the_readme_of_it(client):
    @client.workflow(id="greet", input_schema=Person)
    async def greet(ctx, step):
        return await step.run("hello", lambda: {"name": ctx.input.name})

    async def story():
        began = asyncio.get_running_loop().time()
        for _ in range(5):
            run = await client.start_workflow(greet, {"name": "John"})
            assert await run.result() == {"name": "John"}
        assert (
            asyncio.get_running_loop().time() - began < 1
        )  # told at once: a look round comes each quarter of a second
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
        with pytest.raises(Conflict):
            await run.resume()
        assert await (await client.start_workflow(again)).result() == 3
        with pytest.raises(InvalidArguments):
            await client.start_workflow("typed", {"name": 5})
        with pytest.raises(NotFound, match='Did you mean "stumble"'):
            await client.start_workflow("stumbel")
        with pytest.raises(ExecutionNotFound):
            await client.run("no-such").result()

    client.workflow(id="typed", input_schema=Person)(lambda ctx: ctx.input.name)
    play(client, story)


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
    monkeypatch.setattr(worker, "_POLL_SECONDS", 60)  # nobody looks by himself before the story is over

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


def test_a_closed_client_says_so(client):
    play(client, lambda: asyncio.sleep(0))

    async def after():
        with pytest.raises(HubError, match="closed"):
            await client.executions()

    asyncio.run(after())


def test_one_client_in_several_loops_one_after_the_other(client):
    @client.workflow(id="counting")
    async def counting(input):
        return input + 1

    async def once():
        run = await client.start_workflow(counting, 1)
        return await run.result(), len(await client.executions())

    assert [asyncio.run(once()), asyncio.run(once())] == [(2, 1), (2, 2)]


def test_what_runs_at_the_end_is_given_back_and_goes_on_later(quick_path, monkeypatch):
    """Closed in the middle: the execution is due again at once, with its finished steps."""
    path = quick_path / "hub.db"
    calls = []
    monkeypatch.setattr(keeping, "_GRACE", 0.0)

    def declared(gate):
        client = Client(driver=SQLiteDriver(path))

        @client.workflow(id="long-one")
        async def long_one(step):
            first = await step.run("first", lambda: calls.append(1) or "first")
            await gate.wait()
            return first

        return client, long_one

    async def first_life():
        client, long_one = declared(asyncio.Event())
        run = await client.start_workflow(long_one)
        await until(lambda: calls)
        await client.close()
        looking = SQLiteDriver(path).open(SystemClock())
        (left,) = await looking.executions()
        await looking.close()
        assert (left.status, left.reason) == (Status.PENDING, "its worker stopped")
        return run.id

    async def second_life(execution_id):
        gate = asyncio.Event()
        gate.set()
        client, _ = declared(gate)
        async with client:
            return await client.run(execution_id).result(timeout="60s")

    assert asyncio.run(second_life(asyncio.run(first_life()))) == "first"
    assert calls == [1]


def test_two_clients_on_one_file_share_the_work(quick_path):
    """One works; the other starts and waits, and takes over when the first one leaves."""
    path = quick_path / "hub.db"

    def declared(name):
        client = Client(driver=SQLiteDriver(path))
        client.workflow(id="who-works")(lambda: name)
        return client

    async def shared():
        first, second = declared("first"), declared("second")
        async with first:
            await first.executions()
            await asyncio.sleep(0.05)
            async with second:
                run = await second.start_workflow("who-works")
                assert await run.result(timeout="60s") == "first"
                await first.close()
                assert await (await second.start_workflow("who-works")).result(timeout="60s") == "second"

    asyncio.run(shared())


def test_a_postgres_that_cannot_be_used_is_told():
    async def story():
        with pytest.raises(HubError):
            await Client(driver=PostgresDriver("nonsense://nobody@127.0.0.1:1/none")).executions()

    asyncio.run(story())


def test_a_killed_process_is_resumed_by_the_next_one(quick_path):
    store, marks = quick_path / "hub.db", quick_path / "marks"

    def life(mode):
        return subprocess.run(
            [sys.executable, str(PROGRAM), str(store), str(marks), mode],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    killed = life("crash")
    assert killed.returncode == -signal.SIGKILL, killed
    resumed = life("resume")
    assert (resumed.stdout, resumed.returncode) == ("['first of it', 'second']\n", 0), resumed
    assert marks.read_text().splitlines() == ["first of it", "second"]


@pytest.mark.parametrize("made", ["InMemoryDriver()", "SQLiteDriver('library.db')"])
def test_a_script_that_does_not_close_ends_quietly(made, quick_path):
    script = textwrap.dedent(
        f"""
        import asyncio
        from hub import Client
        from hub.drivers import InMemoryDriver, SQLiteDriver
        client = Client(driver={made})

        @client.workflow(id="plain-one")
        def plain_one(step):
            return step.run("a", lambda: 1).result()

        @client.workflow(id="endless")
        async def endless(step):
            await asyncio.sleep(1000)

        async def main():
            print(await (await client.start_workflow(plain_one)).result())
            await client.start_workflow(endless)
            await asyncio.sleep(0.05)

        asyncio.run(main())
        """
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=quick_path,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("1\n", "", 0)
