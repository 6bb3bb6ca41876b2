"""After a cancel has committed nothing of the execution begins any more, however late its worker looks."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest
from kit import Bench, StillClock, play, until

from hub import Context, RetryPolicy, job, wait_point, workflow
from hub.engine.lease import this_process
from hub.engine.waking import Doubt
from hub.model.errors import Conflict
from hub.model.execution import Status
from hub.model.wait import Resolution, WaitState


class Steps:
    """A workflow that makes one call after the other, and notes each that begins."""

    def __init__(self, pause: float = 0.0) -> None:
        """`pause`: seconds between some of them, for a cancel to come in."""
        self.begun: list[str] = []
        #: Execution -> what began, and when, in nanoseconds of the clock that all processes share.
        self.at: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)

        @job
        async def one(input: int, ctx: Context) -> int:
            self._note("one", ctx)
            await asyncio.sleep(0)
            return input

        @job
        def plain(input: int, ctx: Context) -> int:
            self._note("plain", ctx)
            return input

        @job(name="main-job")
        async def main() -> int:
            number = 0
            while True:
                number = await one.trigger(number + 1)
                number = await plain.trigger(number + 1)
                await asyncio.gather(one.trigger(number + 1), plain.trigger(number + 2))
                await asyncio.sleep(pause)

        @job(name="parent-job")
        async def parent(ctx: Context) -> None:
            await asyncio.gather(ctx.step.invoke("endless"), ctx.step.run("own", self._long))

        policy = RetryPolicy(max_retries=3, initial_backoff="1ms", max_backoff="1ms")
        self.workflows = [workflow("endless", main, retry_policy=policy), workflow("parent-flow", parent)]

    def _note(self, name: str, ctx: Context) -> None:
        at = time.monotonic_ns()
        self.begun.append(ctx.execution_id)
        self.at[ctx.execution_id].append((name, at))

    @staticmethod
    async def _long() -> None:
        await asyncio.sleep(60)


async def _begun_after(bench: Bench, steps: Steps, name: str, *, look: bool) -> tuple[int, Status]:
    """How many calls began after the cancel was answered; its worker looks for cancelled ones only if `look`."""
    bench.store.listen(bench.worker.hear)
    stop = asyncio.Event()
    serving = asyncio.create_task(bench.worker.serve(stop))
    may_look = asyncio.Event()
    lost = bench.store.lost

    async def slow(claims):
        if not look:
            await may_look.wait()
        return await lost(claims)

    bench.store.lost = slow  # type: ignore[method-assign]
    execution_id = await bench.start(name)
    await until(lambda: len(steps.begun) >= 20)
    await bench.store.cancel(execution_id)
    before = len(steps.begun)
    await asyncio.sleep(0.1)
    after = len(steps.begun) - before
    may_look.set()
    stop.set()
    bench.worker.waker.ring()
    await serving
    return after, (await bench.record(execution_id)).status


@pytest.mark.parametrize("name", ["endless", "parent-flow"])
@pytest.mark.parametrize("look", [True, False], ids=["prompt", "late"])
def test_nothing_begins_once_the_cancel_is_answered(tell, name, look):
    steps = Steps()

    async def story(bench: Bench) -> None:
        assert await _begun_after(bench, steps, name, look=look) == (0, Status.CANCELED)
        assert {one.status for one in await bench.store.executions()} == {Status.CANCELED}

    tell(story, *steps.workflows, clock=StillClock())


def _trusting(monkeypatch) -> None:
    """The planted fault: no cancel raises a doubt, so that calls begin until the store refuses a result."""
    monkeypatch.setattr(Doubt, "open", property(lambda _self: False))


def test_a_worker_that_has_no_doubts_would_be_seen(monkeypatch):
    _trusting(monkeypatch)
    begun = 0
    for _ in range(20):
        steps = Steps(pause=0.003)

        async def story(bench: Bench, steps: Steps = steps) -> int:
            return (await _begun_after(bench, steps, "endless", look=False))[0]

        begun += play(story, lambda steps=steps: Bench("sqlite://", steps.workflows, clock=StillClock()))
        if begun:
            return
    pytest.fail("nothing began")


class Elsewhere:
    """A worker here, and a process beside it that cancels what it runs."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.steps = Steps(pause=0.003)

    def late(self, cancels: int, *faults: str) -> list[str]:
        """Calls that began after the other process knew that the cancel of their execution was durable, up to the first."""
        return play(lambda bench: self._play(bench, cancels, faults), lambda: Bench(self.url, self.steps.workflows))

    async def _play(self, bench: Bench, cancels: int, faults: tuple[str, ...]) -> list[str]:
        await bench.store.beat(bench.node, this_process(), 600_000)
        stop = asyncio.Event()
        bench.store.listen(bench.worker.hear)
        bench.store.listen_to_others(bench.worker.hear)
        serving = asyncio.create_task(bench.worker.serve(stop))
        program = str(Path(__file__).parent / "canceling.py")
        pipe = asyncio.subprocess.PIPE
        other = await asyncio.create_subprocess_exec(
            sys.executable, program, self.url, *faults, stdin=pipe, stdout=pipe
        )
        assert other.stdin is not None
        assert other.stdout is not None
        assert await other.stdout.readline() == b"ready\n"
        late: list[str] = []
        for number in range(cancels):
            if late:
                break
            execution_id = await bench.start("endless")
            await until(lambda one=execution_id: len(self.steps.at[one]) > 10)
            await asyncio.sleep(number % 8 / 1000)  # not always at the same place
            other.stdin.write(f"{execution_id}\n".encode())
            durable = int(await other.stdout.readline())
            await until(lambda: not bench.worker.running)
            late += [f"{name} of {execution_id}" for name, at in self.steps.at[execution_id] if at > durable]
            assert (await bench.record(execution_id)).status is Status.CANCELED
        other.stdin.close()
        await other.wait()
        stop.set()
        bench.worker.waker.ring()
        await serving
        return late


def test_nothing_begins_after_the_cancel_of_another_process(quick_path):
    assert Elsewhere(f"sqlite:///{quick_path}/hub.db").late(100) == []


def test_nothing_begins_after_the_cancel_of_another_node(postgres_url):
    assert Elsewhere(postgres_url).late(40) == []


def test_calls_that_begin_after_the_cancel_of_another_process_would_be_seen(monkeypatch, quick_path):
    _trusting(monkeypatch)
    assert Elsewhere(f"sqlite:///{quick_path}/hub.db").late(1_500)


def test_calls_that_begin_after_the_cancel_of_another_node_would_be_seen(postgres_url):
    assert Elsewhere(postgres_url).late(1_500, "hasty")


def test_others_go_on(tell):
    """Somebody else's cancel costs a look, and nothing more."""
    steps = Steps()
    done: list[int] = []

    @job
    async def small(input: int) -> int:
        done.append(input)
        return input

    @job(name="other-job")
    async def other_job() -> int:
        return sum([await small.trigger(number) for number in range(50)])

    other = workflow("other-flow", other_job)

    async def story(bench: Bench) -> None:
        bench.store.listen(bench.worker.hear)
        stop = asyncio.Event()
        serving = asyncio.create_task(bench.worker.serve(stop))
        canceled, goes_on = await bench.start("endless"), await bench.start("other-flow")
        await until(lambda: len(done) >= 5)
        await bench.store.cancel(canceled)
        await until(lambda: len(done) == 50 and goes_on not in bench.worker.runs)
        assert (await bench.record(goes_on)).status is Status.SUCCESS
        stop.set()
        bench.worker.waker.ring()
        await serving
        assert done == list(range(50))
        with pytest.raises(Conflict, match="CANCELED and cannot be canceled"):
            await bench.store.cancel(canceled)

    tell(story, *steps.workflows, other, clock=StillClock())


def test_what_was_cancelled_asks_nothing_any_more(tell) -> None:
    approval = wait_point("approval-of-the-cancelled")

    @job(name="main-job")
    async def main() -> None:
        await approval.wait({})

    async def story(bench: Bench) -> None:
        record = await bench.run("asking")
        asking = record.id
        assert [call.status for call in record.jobs] == ["SUSPEND", "WAITING"]
        await bench.store.cancel(asking)
        assert [call.status for call in (await bench.record(asking)).jobs] == ["FAILED", "FAILED"]
        with pytest.raises(Conflict, match=r"has ended \(CANCELED\); nobody waits for an answer"):
            await bench.store.resolve_wait(Resolution(asking, approval.key, '"yes"', bench.clock.now(), "ada"))
        (asked,) = await bench.store.waits(execution_id=asking)
        assert (asked.state, asked.resolved_by, asked.resolved_at) == (WaitState.DROPPED, None, bench.clock.now())

    tell(story, workflow("asking", main), clock=StillClock())
