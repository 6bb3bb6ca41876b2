"""Resuming with another input, and forks: what is kept, what runs again, and what a crash in between leaves."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit import Bench, FakeClock, of, play

from hub import Context, RetryPolicy, job, workflow
from hub.client.resuming import ResumingVerbs
from hub.drivers import ProjectDriver
from hub.engine.going_on import kept_before
from hub.model.errors import Conflict, ExecutionNotFound, InvalidArguments, NotFound
from hub.model.execution import Checkpoint, JobStatus, Status
from hub.model.identity import local


class Story:
    """A workflow of three calls, the second of which is nested; `calls` sees what ran."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.broken = True

        @job
        async def first(input: int) -> int:
            self.calls.append(f"first {input}")
            return input

        @job
        async def inner(input: int) -> int:
            self.calls.append(f"inner {input}")
            return input + 1

        @job
        async def second(input: int) -> int:
            self.calls.append(f"second {input}")
            return await inner.trigger(input)

        @job
        async def third(input: int) -> int:
            self.calls.append(f"third {input}")
            if self.broken:
                raise ConnectionError("no answer")
            return input * 10

        @job(name="main-job")
        async def main(input: dict[str, int]) -> int:
            found = await first.trigger(input["a"])
            found = await second.trigger(found)
            return await third.trigger(found + input.get("b", 0))

        self.workflow = workflow("three-calls", main)


async def _fork(bench: Bench, execution_id: str, path: str, *args: object) -> str:
    started = await bench.going_on.fork(execution_id, path, *args, requested_by="test")
    await bench.work()
    return started.id


def test_it_goes_on_with_another_input_and_the_log_keeps_the_one_before(tell):
    story = Story()

    async def play_it(bench: Bench) -> None:
        record = await bench.run("three-calls", {"a": 1})
        assert record.status is Status.FAILED
        story.broken = False
        await bench.going_on.resume(record.id, {"a": 1, "b": 5})
        await bench.work()
        after = await bench.record(record.id)
        assert (after.status, after.result, after.args) == (Status.SUCCESS, 70, {"a": 1, "b": 5})
        assert story.calls == ["first 1", "second 1", "inner 1", "third 2", "third 7"]
        lines = [line.message for _, line in await bench.store.logs(record.id)]
        assert lines == ['resumed with another input; before it was {"a":1}']

    tell(play_it, story.workflow)


def test_an_input_that_finished_calls_do_not_fit_fails_it_and_it_stays_resumable(tell):
    story = Story()

    async def play_it(bench: Bench) -> None:
        record = await bench.run("three-calls", {"a": 1})
        story.broken = False
        await bench.going_on.resume(record.id, {"a": 2})
        await bench.work()
        after = await bench.record(record.id)
        assert (after.status, after.error["type"]) == (Status.FAILED, "ArgumentHashMismatch")
        assert "was stored with the arguments 1 and is now called with 2" in after.error["message"]
        await bench.going_on.resume(record.id, {"a": 1})
        await bench.work()
        assert (await bench.record(record.id)).result == 20

    tell(play_it, story.workflow)


def test_an_input_that_the_main_job_does_not_take_is_refused_at_once(tell):
    story = Story()

    async def play_it(bench: Bench) -> None:
        record = await bench.run("three-calls", {"a": 1})
        with pytest.raises(InvalidArguments):
            await bench.going_on.resume(record.id, {"a": "x"})
        with pytest.raises(InvalidArguments):
            await _fork(bench, record.id, "main-job/second", {"a": "x"})
        assert (await bench.record(record.id)).status is Status.FAILED
        with pytest.raises(ExecutionNotFound):
            await bench.going_on.resume("nothing", {"a": 1})
        story.broken = False
        done = await bench.run("three-calls", {"a": 1})
        with pytest.raises(Conflict, match="SUCCESS and cannot be resumed"):
            await bench.going_on.resume(done.id, {"a": 1})
        assert (await bench.record(done.id)).args == {"a": 1}

    tell(play_it, story.workflow)


@pytest.mark.parametrize(
    ("path", "again"),
    [
        ("main-job", ["first 1", "second 1", "inner 1", "third 2"]),
        ("main-job/second", ["second 1", "inner 1", "third 2"]),
        ("main-job/second/inner", ["second 1", "inner 1", "third 2"]),
        ("main-job/third", ["third 2"]),
    ],
)
def test_a_fork_keeps_what_came_before_and_does_the_rest(tell, path, again):
    story = Story()

    async def play_it(bench: Bench) -> None:
        record = await bench.run("three-calls", {"a": 1})
        story.broken = False
        story.calls.clear()
        forked = await bench.record(await _fork(bench, record.id, path))
        assert (forked.status, forked.result, forked.id != record.id) == (Status.SUCCESS, 20, True)
        assert (forked.forked_from, forked.forked_at, forked.requested_by) == (record.id, path, "test")
        assert story.calls == again
        assert await bench.record(record.id) == record, "the one that it came from is as it was"

    tell(play_it, story.workflow)


def test_a_fork_with_another_input_and_one_of_a_fork(tell):
    story = Story()
    story.broken = False

    async def play_it(bench: Bench) -> None:
        record = await bench.run("three-calls", {"a": 1})
        story.calls.clear()
        forked = await _fork(bench, record.id, "main-job/third", {"a": 1, "b": 1})
        assert (await bench.record(forked)).result == 30
        again = await bench.record(await _fork(bench, forked, "main-job/second"))
        assert (again.result, again.args) == (30, {"a": 1, "b": 1})
        assert story.calls == ["third 3", "second 1", "inner 1", "third 3"]

    tell(play_it, story.workflow)


def test_a_fork_from_a_call_that_is_not_there_names_the_closest(tell):
    story = Story()

    async def play_it(bench: Bench) -> None:
        record = await bench.run("three-calls", {"a": 1})
        with pytest.raises(NotFound, match="main-job/third"):
            await _fork(bench, record.id, "main-job/thrid")

    tell(play_it, story.workflow)


def test_the_second_call_of_a_name_is_told_from_the_first(tell):
    ran: list[int] = []

    @job
    async def item(input: int) -> int:
        ran.append(input)
        return input

    @job(name="main-job")
    async def main() -> list[int]:
        return [await item.trigger(number) for number in range(5)]

    async def play_it(bench: Bench) -> None:
        record = await bench.run("some-items")
        ran.clear()
        # The clock stands still, so that time does not tell which came first.
        assert {call.started_at for call in record.jobs} == {bench.clock.now()}
        await _fork(bench, record.id, "main-job/item#3")
        assert ran == [2, 3, 4]

    tell(play_it, workflow("some-items", main))


def test_waits_children_and_caught_failures_are_kept_too(tell):
    ran: list[str] = []

    @job(name="child-job")
    async def child_job() -> str:
        ran.append("child")
        return "from the child"

    child = workflow("child-flow", child_job)

    @job
    async def broken() -> None:
        ran.append("broken")
        raise ValueError("always")

    @job
    async def last() -> str:
        ran.append("last")
        return "last"

    @job(name="main-job")
    async def main(ctx: Context) -> list[str]:
        await ctx.step.sleep("pause", "1h")
        found = [await ctx.step.invoke(child)]
        with contextlib.suppress(ValueError):
            await broken.trigger()
        return [*found, await last.trigger()]

    async def play_it(bench: Bench) -> None:
        execution_id = await bench.start("parent-flow")
        await bench.work()
        bench.clock.advance(3600)
        await bench.work()
        assert (await bench.record(execution_id)).status is Status.SUCCESS
        ran.clear()
        forked = await bench.record(await _fork(bench, execution_id, "main-job/last"))
        assert (forked.result, ran) == (["from the child", "last"], ["last"])
        ran.clear()
        forked = await bench.record(await _fork(bench, execution_id, "main-job/invoke:child-flow"))
        assert (forked.result, ran) == (["from the child", "last"], ["child", "broken", "last"])
        assert len(await bench.store.executions(workflow="child-flow")) == 2

    tell(play_it, workflow("parent-flow", main), child)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_that_ends_at_the_fork_leaves_a_whole_one_or_none(quick_path, moment):
    story = Story()
    url, clock = f"sqlite:///{quick_path}/hub.db", FakeClock()

    class Killed(KeyboardInterrupt):
        pass

    def kill(when: str, verbs: object) -> None:
        if "fork" in verbs and when == moment:
            raise Killed

    async def first(bench: Bench) -> str:
        record = await bench.run("three-calls", {"a": 1})
        bench.store._writer._committer._probe = kill
        with pytest.raises(Killed):
            await _fork(bench, record.id, "main-job/third")
        return record.id

    loop = asyncio.new_event_loop()
    bench = Bench(url, [story.workflow], clock=clock, inline=True)
    execution_id = loop.run_until_complete(first(bench))
    bench.store._writer._committer.connection.raw.close()
    loop.close()
    story.broken = False
    story.calls.clear()

    async def second(bench: Bench) -> None:
        await bench.work()
        forks = [one for one in await bench.store.executions() if one.forked_from == execution_id]
        assert [one.result for one in forks] == ([] if moment == "before" else [20])
        assert story.calls == ([] if moment == "before" else ["third 2"])

    play(second, lambda: Bench(url, [story.workflow], clock=clock, node="node-2"))


calls = st.lists(
    st.tuples(st.sampled_from(["a", "a/b", "a/b/c", "a/d", "e", "e/f", "a#2"]), st.sampled_from(list(JobStatus))),
    unique_by=lambda one: one[0],
    min_size=1,
)


@settings(max_examples=50, deadline=None)
@given(calls, st.data())
def test_nothing_unfinished_later_above_or_below_is_kept(made, data):
    history = [
        Checkpoint(path, path.rpartition("/")[2], status, "{}", "h", result="1", number=number)
        for number, (path, status) in enumerate(made)
    ]
    at = data.draw(st.sampled_from(history))
    for path in kept_before(history, at.path):
        kept = next(call for call in history if call.path == path)
        assert kept.number < at.number
        assert kept.status is JobStatus.SUCCESS
        assert not f"{at.path}/".startswith(f"{path}/")


def test_many_are_resumed_by_a_filter_and_what_moved_meanwhile_is_passed_over(tell):
    story = Story()
    other = workflow(
        "other-flow", story.workflow.main_job, retry_policy=RetryPolicy(initial_backoff="1h", max_backoff="1h")
    )

    async def play_it(bench: Bench) -> None:
        driver = ProjectDriver(
            store=bench.store, registry=bench.registry, surroundings=bench.surroundings, clock=bench.clock,
            executors={}, reached=None, dispatch=None, replay=None, preview=None, gate=None,  # type: ignore[arg-type]
        )  # fmt: skip
        client = ResumingVerbs(driver, local("test"))
        early = [(await bench.run("three-calls", {"a": 1})).id for _ in range(2)]
        bench.clock.advance(60)
        noon = bench.clock.now()
        late = [(await bench.run("three-calls", {"a": 1})).id for _ in range(2)]
        retrying = (await bench.run("other-flow", {"a": 1})).id
        assert sorted(await client.resumable()) == sorted(early + late)
        assert sorted(await client.resumable(since=noon)) == sorted(late)
        assert await client.resumable(workflow="other-flow") == []
        assert await client.resumable(status=Status.PENDING_RETRY) == [retrying]
        with pytest.raises(Conflict, match="FAILED and PENDING_RETRY can"):
            await client.resumable(status=Status.CANCELED)
        story.broken = False
        await bench.store.resume(early[0])
        assert await client.resume_all([*early, *late, "gone"]) == 3
        await bench.work()
        assert {(await bench.record(one)).status for one in [*early, *late]} == {Status.SUCCESS}
        assert (await bench.record(retrying)).status is Status.PENDING_RETRY

    tell(play_it, story.workflow, other)


def test_what_a_fork_was_given_is_shown_as_it_was(tell):
    story = Story()

    async def play_it(bench: Bench) -> None:
        record = await bench.run("three-calls", {"a": 1})
        bench.clock.advance(60)
        story.broken = False
        forked = await bench.record(await _fork(bench, record.id, "main-job/third"))
        assert of(forked, "main-job/first") == of(record, "main-job/first")._replace(epoch=0)
        assert of(forked, "main-job/third").started_at == bench.clock.now()

    tell(play_it, story.workflow)
