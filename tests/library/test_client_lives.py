"""The hub as a library: a client's end, two of them on one file, and a program that is killed."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from kit import PATIENCE, until
from library_kit import play

from hub import Client
from hub.drivers import PostgresDriver, SQLiteDriver
from hub.engine import keeping
from hub.model.clock import SystemClock
from hub.model.errors import HubError
from hub.model.execution import Status

PROGRAM = Path(__file__).with_name("client_program.py")


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
