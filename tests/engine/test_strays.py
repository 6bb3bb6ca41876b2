"""Jobs that do not let themselves be stopped: their outcome is recorded all the same, and nothing of what they do then counts."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kit import PATIENCE, Bench, play, until

from hub import Context, JobTimeout, RetryPolicy, job, wait_point, workflow
from hub.engine import strays
from hub.engine.scope import Unwind
from hub.engine.trying import Trying
from hub.model.execution import JobStatus, Status

answer = wait_point("answer")


class Stubborn:
    """Goes on, whatever is thrown at it, until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.let_go = threading.Event()
        #: What it was given when it tried to do something durable.
        self.refused: list[BaseException] = []
        self.ended = threading.Event()

    async def insist(self, durable: Callable[[], Any] = asyncio.Event) -> str:
        self.begun.set()
        while not self.let_go.is_set():
            try:
                await asyncio.sleep(0.001)
            except BaseException:
                continue
        try:
            durable()
        except BaseException as error:
            self.refused.append(error)
        self.ended.set()
        return "late"

    def insist_on_thread(self) -> str:
        self.begun.set()
        self.let_go.wait(PATIENCE)
        self.ended.set()
        return "late"


@pytest.fixture
def stubborn(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubborn]:
    monkeypatch.setattr(strays, "GRACE", 0.05)
    made = Stubborn()
    yield made
    made.let_go.set()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]


@job
async def step(input: int) -> int:
    return input


async def release(bench: Bench, stubborn: Stubborn) -> None:
    """Let it come to its end, and give what it does then every chance to be taken."""
    stubborn.let_go.set()
    await until(stubborn.ended.is_set)
    for _ in range(20):
        await asyncio.sleep(0)
    await bench.store.flush()
    await bench.work()


@pytest.mark.parametrize("plain", [False, True])
def test_at_its_timeout_a_job_has_failed_whether_it_ends_or_not(tell, stubborn, caplog, plain):
    @job(timeout="20ms", name="slow")
    async def slow() -> str:
        return await stubborn.insist(lambda: step.trigger(1))

    @job(timeout="20ms", name="slow")
    def slow_plain() -> str:
        return stubborn.insist_on_thread()

    chosen = slow_plain if plain else slow

    @job(name="main-job")
    async def main() -> str:
        while True:
            try:
                return await chosen.trigger()
            except JobTimeout as error:
                if stubborn.begun.is_set():  # on a busy machine its time may be over before a thread has begun
                    return str(error)

    async def story(bench: Bench) -> None:
        record = await bench.run("timing")
        assert (record.status, record.result) == (Status.SUCCESS, "it ran longer than 20ms")
        if plain:
            await until(lambda: warnings(caplog))
        await release(bench, stubborn)
        first, *others = [call.status for call in (await bench.record(record.id)).jobs]
        assert (first, {*others}) == (JobStatus.SUCCESS, {JobStatus.FAILED})
        assert plain or [type(error) for error in stubborn.refused] == [Unwind]
        assert len(warnings(caplog)) == 1
        said = warnings(caplog)[0]
        place = f"{__file__}:{chosen.function.__code__.co_firstlineno}"
        assert said.startswith(f"the job slow ({place}) goes on although it was to end: ")
        assert ("nobody can stop its thread" if plain else "CancelledError") in said

    tell(story, workflow("timing", main))


def test_one_that_is_let_do_what_it_likes_would_be_seen(
    tell: Callable[..., Any], stubborn: Stubborn, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted fault: nobody waits for it, and that is all."""
    monkeypatch.setattr(strays, "leave", lambda _scope: None)
    with pytest.raises(AssertionError):
        test_at_its_timeout_a_job_has_failed_whether_it_ends_or_not(tell, stubborn, caplog, False)


def test_an_execution_ends_at_its_deadline_and_its_slot_is_free(tell, stubborn, caplog):
    @job
    async def hold() -> str:
        return await stubborn.insist(lambda: step.trigger(1))

    @job(name="main-job")
    async def main() -> str:
        return await hold.trigger()

    async def story(bench: Bench) -> None:
        record = await bench.run("limited")
        assert bench.worker.running == 0
        assert record.status is Status.FAILED
        assert record.error is not None
        assert record.error["type"] == "ExecutionTimeout"
        await release(bench, stubborn)
        assert await bench.record(record.id) == record
        assert [type(error) for error in stubborn.refused] == [Unwind]
        assert len(warnings(caplog)) == 1

    tell(story, workflow("limited", main, timeout="1s"))


def test_a_canceled_one_frees_its_slot(quick_path, stubborn, caplog):
    @job(name="main-job")
    async def main() -> str:
        return await stubborn.insist(lambda: step.trigger(1))

    async def story(bench: Bench) -> None:
        execution_id = await bench.start("cancelled")
        await bench.worker.run_once()
        await until(stubborn.begun.is_set)
        await bench.store.cancel(execution_id)
        assert await bench.worker.sweep() == 1
        await until(lambda: not bench.worker.running)
        record = await bench.record(execution_id)
        assert record.status is Status.CANCELED
        await release(bench, stubborn)
        assert await bench.record(execution_id) == record
        assert [type(error) for error in stubborn.refused] == [Unwind]
        assert len(warnings(caplog)) == 1

    play(story, lambda: Bench(f"sqlite:///{quick_path}/hub.db", [workflow("cancelled", main)]))


def test_one_that_keeps_its_wait_from_being_parked_is_parked_without_it(quick_path, stubborn, caplog):
    @job(name="main-job")
    async def main() -> Any:
        try:
            return await answer.wait()
        except BaseException:
            return await stubborn.insist()

    async def story(bench: Bench) -> None:
        record = await bench.run("asking")
        assert record.status is Status.WAITING
        await release(bench, stubborn)
        assert (await bench.record(record.id)).status is Status.WAITING
        assert len(warnings(caplog)) == 1

    play(story, lambda: Bench(f"sqlite:///{quick_path}/hub.db", [workflow("asking", main)]))


@pytest.mark.parametrize("gathered", [False, True])
def test_what_a_left_try_gives_back_is_not_taken_while_the_next_one_runs(quick_path, stubborn, gathered):
    """The one below does not end: neither its result nor its caller's is that of the second try."""
    tries: list[int] = []

    @job
    async def below() -> str:
        tries.append(1)
        return await stubborn.insist() if len(tries) == 1 else "in time"

    @job(timeout="500ms", retry=RetryPolicy(max_retries=1, initial_backoff="1ms", max_backoff="1ms"))
    async def above(_: None, ctx: Context) -> str:
        if ctx.attempt == 2:
            await release_first()
        return (await asyncio.gather(below.trigger()))[0] if gathered else await below.trigger()

    async def release_first() -> None:
        stubborn.let_go.set()
        await until(stubborn.ended.is_set)
        for _ in range(20):
            await asyncio.sleep(0)

    @job(name="main-job")
    async def main() -> str:
        return await above.trigger()

    async def story(bench: Bench) -> None:
        assert await bench.succeed("trying-again") == "in time"
        assert len(tries) == 2

    play(story, lambda: Bench(f"sqlite:///{quick_path}/hub.db", [workflow("trying-again", main)]))


def test_a_result_that_is_taken_from_a_left_try_would_be_seen(
    quick_path: Path, stubborn: Stubborn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted fault: only the end of the execution counts."""
    monkeypatch.setattr(Trying, "_refuse_if_over", lambda trying, _parent: trying._run.refuse_if_stopped())
    with pytest.raises(AssertionError):
        test_what_a_left_try_gives_back_is_not_taken_while_the_next_one_runs(quick_path, stubborn, False)


def test_one_that_ends_within_its_grace_is_no_stray(quick_path, stubborn, caplog, monkeypatch):
    monkeypatch.setattr(strays, "GRACE", PATIENCE)
    tidied: list[int] = []

    @job(timeout="10ms")
    async def slow() -> None:
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            await asyncio.sleep(0.01)
            tidied.append(await step.trigger(1))

    @job(name="main-job")
    async def main() -> str:
        try:
            await slow.trigger()
        except JobTimeout:
            assert tidied == [1]
            return "timed out"
        return "ended"

    async def story(bench: Bench) -> None:
        assert await bench.succeed("tidying") == "timed out"
        assert warnings(caplog) == []

    play(story, lambda: Bench(f"sqlite:///{quick_path}/hub.db", [workflow("tidying", main)]))


def test_a_timed_job_may_exit_and_raise_what_it_likes(quick_path):
    """In a task of its own some of it would end the loop."""

    @job(timeout="60s")
    async def leaving(input: int) -> None:
        raise (SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError("its own"))[input]

    @job(name="main-job")
    async def main() -> list[str]:
        found = []
        for kind in (0, 2):
            try:
                await leaving.trigger(kind)
            except Exception as error:
                found.append(str(error))
        return found

    async def story(bench: Bench) -> None:
        assert len(await bench.succeed("leaving")) == 2

    play(story, lambda: Bench(f"sqlite:///{quick_path}/hub.db", [workflow("leaving", main)]))
