"""A wired hub that is not running: what commands use one by one."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from kit import PATIENCE, FakeClock, until

from hub.assembly import parts as parts_of_a_hub
from hub.assembly.files import read_files
from hub.assembly.jobs_thread import JobsThread
from hub.assembly.parts import Parts, open_parts, run_in_process
from hub.assembly.serving import Serving
from hub.engine.authoring import job, workflow
from hub.engine.registry import Registry
from hub.engine.surroundings import Surroundings
from hub.engine.worker import Worker
from hub.model.clock import SystemClock
from hub.model.errors import ConfigError, StoreUnavailable
from hub.model.event import NewEvent, Outcome
from hub.model.execution import Status
from hub.store import open_store
from hub.store.nodes import About

FILES = {
    "config/hub.yaml": "auth: {main-auth: {machine_users: {bot: {permissions: ['workflow:start:*']}}}}\n",
    "workflows/all.py": (
        "from hub import job, workflow\n\n@job\nasync def greet(input):\n    return input\n\n"
        "greeting = workflow('greeting', greet)\n"
    ),
    "executors/hook.yaml": (
        "name: hook\ntrigger: {webhook: {}}\ntarget: {workflow: {workflow_name: greeting, variables: args.body, "
        "invoker: {machine_user: {auth_namespace: main-auth, name: bot}}}}\n"
    ),
}


@pytest.fixture
def root(quick_path: Path) -> Path:
    for name, text in FILES.items():
        path = quick_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return quick_path


async def opened(root: Path) -> Parts:
    return await open_parts(read_files(root, {}))


def test_an_event_given_by_hand_is_dispatched_at_once_and_worked_on_here(root: Path) -> None:
    async def story() -> None:
        parts = await opened(root)
        try:
            event = await parts.client.trigger_executor("hook", {"n": 1})
            _, (delivery,) = await parts.client.event(event.id)
            assert delivery.outcome is Outcome.STARTED
            assert delivery.execution_id is not None
            done = asyncio.Event()
            working = asyncio.create_task(run_in_process(parts, done))
            record = await parts.client.wait(delivery.execution_id, seconds=PATIENCE)
            done.set()
            await working
            assert (record.status, record.result) == (Status.SUCCESS, {"n": 1})
            assert await parts.store.nodes() == [], "it has left"
        finally:
            await parts.close()

    asyncio.run(story())


def test_work_on_a_store_that_cannot_be_written_waits_and_ends_when_it_is_told_to(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(parts_of_a_hub, "_PATIENCE", 0.0)
    monkeypatch.setattr(parts_of_a_hub, "_LAST_SECONDS", 0.1)

    async def story() -> None:
        parts = await opened(root)
        done = asyncio.Event()
        with closing(sqlite3.connect(root / "var" / "hub.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            working = asyncio.create_task(run_in_process(parts, done))
            outage = parts.store._writer._outage  # type: ignore[attr-defined]  # which has begun with the first refusal
            await until(lambda: outage._since is not None)
            assert not working.done(), "it waits until it can be written"
            done.set()
            await asyncio.wait_for(working, PATIENCE)
            await parts.close()

    asyncio.run(story())
    assert [one.message for one in caplog.records if one.name == "hub.assembly.parts"] == [
        "what was running could not be given back, and goes on when a server runs."
    ]


def test_an_event_given_by_hand_is_dispatched_behind_all_that_wait(root: Path) -> None:
    async def story() -> None:
        parts = await opened(root)
        try:
            waiting = NewEvent("webhook:hook", None, "webhook", 1, {"method": "POST"}, body=b"{}", executors=("hook",))
            await parts.store.store_events([waiting] * 450)
            event = await parts.client.trigger_executor("hook", {"n": 1})
            _, (delivery,) = await parts.client.event(event.id)
            assert delivery.outcome is Outcome.STARTED
        finally:
            await parts.close()

    asyncio.run(story())


def test_the_token_of_a_webhook_stays_the_same(root: Path) -> None:
    async def address() -> str:
        parts = await opened(root)
        try:
            (found,) = await parts.client.webhooks()
            assert found["executor"] == "hook"
            return str(found["url"])
        finally:
            await parts.close()

    first = asyncio.run(address())
    assert first.startswith("http://127.0.0.1:8700/webhooks/hook/")
    assert asyncio.run(address()) == first


def test_a_config_that_cannot_be_used_and_a_store_that_cannot_be_opened_are_errors_of_their_own(root: Path) -> None:
    (root / "config" / "hub.yaml").write_text("stor: x\n")
    with pytest.raises(ConfigError, match=r'config/hub\.yaml:1:1: unknown key "stor"'):
        asyncio.run(opened(root))
    (root / "config" / "hub.yaml").write_text("store: sqlite:///var/hub.db\n")
    (root / "var").mkdir(exist_ok=True)
    (root / "var" / "hub.db").write_bytes(b"this is no database, and it is longer than a page's header" * 20)
    with pytest.raises(StoreUnavailable):
        asyncio.run(opened(root))


def test_jobs_run_in_a_loop_of_their_own_which_ends_when_told(quick_path: Path) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    @job
    async def look(input: dict[str, int]) -> str:
        loops.append(asyncio.get_running_loop())
        return "looked"

    async def story() -> None:
        clock = SystemClock()
        store = open_store(f"sqlite:///{quick_path}/hub.db", clock)
        registry = Registry([workflow("looking", look)])
        worker = Worker(store, registry, Surroundings(), clock, "node-1")
        store.listen(lambda topic: worker.waker.ring() if topic == "executions" else None)
        await store.beat("node-1", About("host", 1), 60_000)
        thread = JobsThread(worker)
        thread.start()
        assert thread.alive
        from hub.engine.starting import start_request

        request = start_request(
            registry, Surroundings(), clock, workflow="looking", args={}, invoker=None, requested_by="test"
        )
        started = await store.start(request)
        async with asyncio.timeout(PATIENCE):
            while await store.status_of(started.id) is not Status.SUCCESS:  # noqa: ASYNC110 - another loop does it
                await asyncio.sleep(0.005)
        assert loops != [asyncio.get_running_loop()]
        assert await thread.stop(1.0) == 0
        assert not thread.alive
        thread.sweep()  # too late, and no trouble
        await store.close()

    asyncio.run(story())


def test_a_fake_clock_is_taken_as_any_other(root: Path) -> None:
    async def story() -> None:
        parts = await open_parts(read_files(root, {}), clock=FakeClock())
        try:
            event = await parts.client.trigger_executor("hook", {})
            assert event.time == FakeClock().now()
        finally:
            await parts.close()

    asyncio.run(story())


def test_a_start_finds_its_seat_though_a_command_is_slow_in_looking_at_it(root: Path) -> None:
    async def story() -> None:
        parts = await opened(root)
        looked = os.open(root / "var/hub.db-seat", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(looked, fcntl.LOCK_SH)

        class Busy(FakeClock):
            async def sleep(self, seconds: float) -> None:
                await super().sleep(seconds)
                if len(self.slept) == 10:
                    os.close(looked)

        parts.clock = clock = Busy()
        serving = Serving(parts, port=0)
        await serving._take_seat()
        assert len(clock.slept) == 10
        await parts.close()

    asyncio.run(story())
