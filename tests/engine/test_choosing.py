"""The first of several waits: the store says which, the others take nothing any more, and a replay comes to the same."""

from __future__ import annotations

from itertools import count

import pytest
from crashing import at_commit, move_in, one_life
from kit import Bench, StillClock, of, play

from hub import Context, JobFailed, WaitTimeout, job, wait_point, workflow
from hub.model.errors import BadInput, Conflict, NotChosen
from hub.model.execution import Status
from hub.model.wait import Resolution, Signal, WaitState
from hub.store import choices

approval = wait_point("approval", result=str)
numbers = count(1)


async def _signal(bench: Bench, name: str, payload: str = '"x"') -> int:
    return await bench.store.signal(Signal(f"S{next(numbers)}", name, payload, bench.clock.now()))


async def _answer(bench: Bench, execution_id: str, text: str = '"yes"') -> WaitState:
    return await bench.store.resolve_wait(Resolution(execution_id, "approval", text, bench.clock.now(), "test"))


def choosing(plain: bool):
    """A job that waits for the first of three, and then for a signal that one of them would have taken."""
    if plain:

        @job(name="main-job")
        def main(ctx: Context) -> list:
            found = ctx.step.first(
                answer=approval.wait(), told=ctx.step.wait_for_signal("go"), late=ctx.step.sleep("late", "1h")
            ).result()
            return [*found, ctx.step.wait_for_signal("go", timeout="1d", default="none").result()]
    else:

        @job(name="main-job")
        async def main(ctx: Context) -> list:
            found = await ctx.step.first(
                answer=approval.wait(), told=ctx.step.wait_for_signal("go"), late=ctx.step.sleep("late", "1h")
            )
            return [*found, await ctx.step.wait_for_signal("go", timeout="1d", default="none")]

    return workflow("choosing", main)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("which", ["answer", "told", "late"])
def test_the_first_one_is_given_and_the_others_take_nothing(tell, which, plain):
    async def story(bench: Bench) -> None:
        record = await bench.run("choosing")
        assert record.status is Status.WAITING, record.error
        assert bench.worker.running == 0, "it is parked"
        assert record.due_at == bench.clock.now() + 3_600_000
        if which == "answer":
            assert await _answer(bench, record.id) is WaitState.RESOLVED
        elif which == "told":
            assert await _signal(bench, "go") == 1
        else:
            bench.clock.advance(3600)
        await bench.work()
        if which != "told":
            # The dropped wait for it does not take it: it is there for the next one.
            assert (await bench.record(record.id)).status is Status.WAITING
        assert await _signal(bench, "go", '"after"') == 1
        await bench.work()
        record = await bench.record(record.id)
        value = {"answer": "yes", "told": "x", "late": None}[which]
        assert (record.status, record.result) == (Status.SUCCESS, [which, value, "after"])
        states = {wait.path.rpartition(":")[2]: wait.state for wait in await bench.store.waits(execution_id=record.id)}
        assert sorted(states.values()).count(WaitState.DROPPED) == 2
        chosen = of(record, "main-job/first:answer,told,late")
        assert chosen.status == "SUCCESS"

    tell(story, choosing(plain), clock=StillClock())


def test_a_wait_that_is_left_open_would_be_seen(tell, monkeypatch):
    """The check of the tests above: with the others left open, one of them takes the signal."""
    monkeypatch.setattr(choices, "_drop", lambda *_: None)
    with pytest.raises(AssertionError):
        test_the_first_one_is_given_and_the_others_take_nothing(tell, "answer", plain=False)


def test_an_answer_to_a_dropped_question_is_refused_with_the_reason(tell):
    async def story(bench: Bench) -> None:
        record = await bench.run("choosing")
        await _signal(bench, "go")
        await bench.work()
        with pytest.raises(Conflict, match="is not asked any more"):
            await _answer(bench, record.id)

    tell(story, choosing(plain=False), clock=StillClock())


def test_two_that_were_there_before_take_one_and_leave_the_other(tell):
    async def story(bench: Bench) -> None:
        execution_id = await bench.start("choosing")
        await _signal(bench, "go", '"early"')
        assert await _answer(bench, execution_id) is WaitState.WAITING, "it is kept"
        await bench.work()
        record = await bench.record(execution_id)
        # Both had come, and the first that is named counts. The signal goes to the next who waits for it.
        assert (record.status, record.result) == (Status.SUCCESS, ["answer", "yes", "early"]), record.error

    tell(story, choosing(plain=False), clock=StillClock())


def test_a_failure_is_raised_when_it_is_the_first_and_a_dropped_one_says_so(tell):
    @job(name="main-job")
    async def main(ctx: Context) -> str:
        slow = ctx.step.wait_for_signal("never")
        try:
            await ctx.step.first(quick=ctx.step.wait_for_signal("soon", timeout="1m"), slow=slow)
        except WaitTimeout as error:
            found = error.message
        with pytest.raises(NotChosen, match="never was not the first"):
            await slow
        return found

    async def story(bench: Bench) -> None:
        execution_id = await bench.start("timing")
        await bench.work()
        bench.clock.advance(60)
        await bench.work()
        record = await bench.record(execution_id)
        assert (record.status, record.result) == (Status.SUCCESS, "nobody answered soon in time"), record.error

    tell(story, workflow("timing", main), clock=StillClock())


def test_children_race_and_the_one_that_was_not_first_goes_on(tell):
    @job(name="child-job")
    async def child_job(input: str, ctx: Context) -> str:
        return await ctx.step.wait_for_signal(input)

    child = workflow("child-flow", child_job)

    @job(name="main-job")
    async def main(ctx: Context) -> list:
        return list(await ctx.step.first(a=ctx.step.invoke(child, "one"), b=ctx.step.invoke(child, "two")))

    async def story(bench: Bench) -> None:
        execution_id = await bench.start("racing")
        await bench.work()
        assert (await bench.record(execution_id)).status is Status.WAITING
        await _signal(bench, "two", '"second"')
        await bench.work()
        record = await bench.record(execution_id)
        assert (record.status, record.result) == (Status.SUCCESS, ["b", "second"]), record.error
        await _signal(bench, "one")
        await bench.work()
        assert {one.status for one in await bench.store.executions()} == {Status.SUCCESS}

    tell(story, workflow("racing", main), child, clock=StillClock())


def test_all_are_waited_for_and_one_that_failed_is_told_at_the_end(tell):
    @job(name="main-job")
    async def main(input: bool, ctx: Context) -> dict:
        waits = {"a": ctx.step.sleep("a", "1h"), "b": ctx.step.wait_for_signal("go", timeout="2h")}
        try:
            return await ctx.step.all(**waits)
        except WaitTimeout:
            return {"timed": "out"}

    async def story(bench: Bench) -> None:
        execution_id = await bench.start("both-of", True)
        await bench.work()
        await _signal(bench, "go")
        await bench.work()
        assert (await bench.record(execution_id)).status is Status.WAITING
        bench.clock.advance(3600)
        await bench.work()
        assert (await bench.record(execution_id)).result == {"a": None, "b": "x"}
        execution_id = await bench.start("both-of", True)
        await bench.work()
        for _ in range(2):
            bench.clock.advance(3600)
            await bench.work()
        assert (await bench.record(execution_id)).result == {"timed": "out"}

    tell(story, workflow("both-of", main), clock=StillClock())


def test_only_waits_can_be_chosen_from(tell):
    @job
    async def work() -> int:
        return 1

    @job(name="main-job")
    async def main(ctx: Context) -> None:
        with pytest.raises(Exception, match="at least one"):
            ctx.step.first()
        running = work.trigger()
        with pytest.raises(Exception, match="a is not a wait"):
            ctx.step.first(a=running)
        await running

    async def story(bench: Bench) -> None:
        await bench.succeed("wrong-one")

    tell(story, workflow("wrong-one", main), clock=StillClock())


def test_plain_jobs_invoke_workflows_too(tell):
    @job
    def work(input: int) -> int:
        if input < 0:
            raise ValueError("below nothing")
        return 2 * input

    child = workflow("child-flow", work)

    @job(name="main-job")
    def main(ctx: Context) -> list:
        invoke = ctx.step.invoke
        found = [invoke(child, 1).result(), *ctx.step.first(one=invoke("child-flow", 2)).result()]
        both = ctx.step.all(a=invoke(child, 3), b=ctx.step.wait_for_execution(child.trigger(4).result())).result()
        try:
            invoke(child, -1).result()
        except ValueError as error:
            found.append(str(error))
        return [*found, both]

    async def story(bench: Bench) -> None:
        found = await bench.succeed("a-parent")
        assert found == [2, "one", 4, "below nothing", {"a": 6, "b": 8}]

    tell(story, workflow("a-parent", main), child)


def test_a_signal_may_have_a_path_for_its_name(tell):
    @job(name="main-job")
    async def main(ctx: Context) -> list:
        await ctx.step.send_signal("orders/7", "paid")
        return [*await ctx.step.first(paid=ctx.step.wait_for_signal("orders/7"), late=ctx.step.sleep("late", "1h"))]

    async def story(bench: Bench) -> None:
        assert await bench.succeed("a-path") == ["paid", "paid"]

    tell(story, workflow("a-path", main), clock=StillClock())


@pytest.mark.parametrize("name", ["", 5, None, "a\0b", "\ud800"])
def test_a_wait_without_a_name_is_refused(tell, name):
    @job(name="main-job")
    async def main(ctx: Context) -> None:
        with pytest.raises(BadInput, match="a wait is named by a text"):
            ctx.step.sleep(name, "1s")
        with pytest.raises(BadInput, match="a wait is named by a text"):
            ctx.step.wait_for_signal(name)
        with pytest.raises(BadInput, match="a signal is named by a text"):
            ctx.step.send_signal(name)
        with pytest.raises(ValueError, match="is not a step name"):
            ctx.step.run(name, print)

    async def story(bench: Bench) -> None:
        await bench.succeed("nameless")

    tell(story, workflow("nameless", main), clock=StillClock())


def test_another_execution_is_waited_for_by_its_id(tell):
    @job(name="other-job")
    async def other_job(input: bool, ctx: Context) -> dict:
        payload = await ctx.step.wait_for_signal("go")
        if payload != "x":
            raise ValueError("it was told so")
        return {"told": payload}

    other = workflow("other-flow", other_job)

    @job(name="main-job")
    async def main(input: str, ctx: Context) -> object:
        try:
            return await ctx.step.wait_for_execution(input, timeout="1h", default="late")
        except JobFailed as error:
            return f"{error.type}: {error.message}"

    async def story(bench: Bench) -> None:
        good, bad, slow = [await bench.start("other-flow", True) for _ in range(3)]
        waiting = [await bench.start("waiting", one) for one in (good, bad, slow, "nothing")]
        await bench.work()
        for one, payload in ((good, '"x"'), (bad, '"fail"')):
            await bench.store.signal(Signal(one, "go", payload, bench.clock.now(), execution_id=one))
        await bench.work()
        bench.clock.advance(3600)
        await bench.work()
        assert [(await bench.record(one)).result for one in waiting] == [
            {"told": "x"},
            "ValueError: it was told so",
            "late",
            'ExecutionNotFound: there is no execution "nothing".',
        ]
        await bench.store.cancel(slow)
        assert await bench.succeed("waiting", slow) == f"ExecutionCanceled: execution {slow} was canceled"

    tell(story, workflow("waiting", main), other, clock=StillClock())


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("verb", ["choose", "wait", "park", "signal", "checkpoint", "finish", "claim"])
def test_whenever_the_process_ends_the_choice_stays(quick_path, verb, moment):
    """The process ends at each commit of that kind in turn; the next one comes to the same end, and takes one signal."""
    seen = 0
    for at in count(1):
        met, result, left = _live(quick_path / f"{at}.db", verb, moment, at)
        assert result in (["told", "one", "two"], ["late", None, "one"]), (at, result)
        assert left == (0 if result[0] == "told" else 1), "a dropped wait took it"
        if not met:
            break
        seen += 1
    assert seen or verb == "checkpoint"


def _live(path, verb: str, moment: str, at: int) -> tuple[bool, object, int]:
    """Whether it crashed, what came out in the end, and how many signals nobody has taken."""
    clock = StillClock()
    url, flow = f"sqlite:///{path}", choosing(plain=False)

    async def story(bench: Bench) -> object:
        await move_in(bench)
        execution_id = await bench.start("choosing", key="one")
        await bench.work()
        for number, payload in enumerate(('"one"', '"two"')):
            await bench.store.signal(Signal(f"fixed-{number}", "go", payload, bench.clock.now()))
            await bench.work()
        bench.clock.advance(3600)
        await bench.work()
        return (await bench.record(execution_id)).result

    crashed, result = one_life(Bench(url, [flow], clock=clock, inline=True), story, at_commit(verb, moment, at))
    if crashed:
        clock.advance(1)
        result = play(story, lambda: Bench(url, [flow], clock=clock, node="node-2"))

    async def look(bench: Bench) -> int:
        with bench.store._engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT id FROM signals WHERE taken_by IS NULL")
            return len(rows.fetchall())

    return crashed, result, play(look, lambda: Bench(url, [flow], clock=clock, node="node-3"))
