"""Jobs that the hub never runs a second time: what an interruption leaves, and how people settle it."""

from __future__ import annotations

from itertools import count

import pytest
from crashing import at_commit, move_in, one_life
from kit import Bench, StillClock, of, play
from mortal import Crash

from hub import Context, NonRetryable, OutcomeUnknown, RetryPolicy, job, workflow
from hub.engine.going_on import Again, Failed
from hub.engine.workflow import Workflow
from hub.model.errors import Conflict, ExecutionNotFound, InvalidArguments, NotFound
from hub.model.execution import JobStatus, Status
from hub.store.checkpoints import CallWrite

RETRY = RetryPolicy(max_retries=3, initial_backoff="1s")


class Charging:
    """A workflow that charges once, between two other jobs. `charged` sees what happened outside."""

    def __init__(self, *, on_unknown: str = "wait", stumble: bool = False) -> None:
        self.charged: list[str] = []
        self.stumble = stumble

        @job
        async def before() -> int:
            return 1

        @job(at_most_once=True, on_unknown=on_unknown)
        async def charge(input: int, ctx: Context) -> str:
            self.charged.append(ctx.idempotency_key)
            if self.stumble:
                raise ConnectionError("no answer")
            return f"charged {input}"

        @job(name="main-job")
        async def main() -> str:
            number = await before.trigger()
            try:
                return await charge.trigger(number)
            except OutcomeUnknown as error:
                return f"caught {error.type}"

        self.workflow = workflow("charging", main, retry_policy=RETRY)


async def _settle(bench: Bench, execution_id: str, said: object, path: str = "main-job/charge") -> JobStatus:
    status = await bench.going_on.settle(execution_id, path, said, by="test")
    await bench.work()
    return status


def _interrupted(path, flow: Charging, clock: StillClock) -> str:
    """A process ends after the charge, before its result is stored."""

    async def story(bench: Bench) -> None:
        await move_in(bench)
        await bench.start("charging", key="one")
        await bench.work()

    bench = Bench(f"sqlite:///{path}", [flow.workflow], clock=clock, inline=True)
    crashed, _ = one_life(bench, story, at_commit("checkpoint", "before", 2))
    assert crashed
    assert len(flow.charged) == 1
    return f"sqlite:///{path}"


def _next_life(url: str, flow: Charging, clock: StillClock, story):
    async def whole(bench: Bench) -> object:
        await move_in(bench)
        await bench.work()
        (found,) = await bench.store.executions()
        return await story(bench, found.id)

    return play(whole, lambda: Bench(url, [flow.workflow], clock=clock, node=f"node-{clock.now()}"))


def test_without_trouble_it_is_a_job_like_others(tell):
    flow = Charging()

    async def story(bench: Bench) -> None:
        assert await bench.succeed("charging") == "charged 1"

    tell(story, flow.workflow)


def test_an_interrupted_one_is_unknown_and_is_seen_to_be(quick_path):
    flow, clock = Charging(), StillClock()
    url = _interrupted(quick_path / "hub.db", flow, clock)

    async def story(bench: Bench, execution_id: str) -> None:
        record = await bench.record(execution_id)
        assert (record.status, record.due_at) == (Status.WAITING, None)
        assert record.reason == "waits for somebody to say what became of main-job/charge (hub workflow settle)"
        call = of(record, "main-job/charge")
        assert (call.status, call.attempts) == (JobStatus.WAITING, 1)
        assert "OutcomeUnknown" in call.error
        assert f"hub workflow settle {execution_id} main-job/charge" in call.error
        bench.clock.advance(86_400)
        await bench.work()
        assert len(flow.charged) == 1

    for _ in range(2):  # another restart changes nothing
        clock.advance(60)
        _next_life(url, flow, clock, story)


@pytest.mark.parametrize(
    ("said", "status", "result"),
    [
        ("by hand", Status.SUCCESS, "by hand"),
        (Failed("the bank has nothing of it"), Status.PENDING_RETRY, None),
        (Again.AGAIN, Status.SUCCESS, "charged 1"),
    ],
)
def test_a_person_settles_it(quick_path, said, status, result):
    flow, clock = Charging(), StillClock()
    url = _interrupted(quick_path / "hub.db", flow, clock)

    async def story(bench: Bench, execution_id: str) -> None:
        await _settle(bench, execution_id, said)
        record = await bench.record(execution_id)
        assert (record.status, record.result) == (status, result)
        assert len(flow.charged) == (2 if said is Again.AGAIN else 1)
        assert len(set(flow.charged)) == 1, "under the same key"
        if said is Again.AGAIN:
            assert of(record, "main-job/charge").attempts == 2
        if isinstance(said, Failed):
            assert record.error["message"] == "the bank has nothing of it"
        if status is Status.SUCCESS:
            with pytest.raises(Conflict):
                await _settle(bench, execution_id, "again by hand")

    _next_life(url, flow, clock, story)


def test_it_may_be_settled_while_nobody_is_there(quick_path):
    flow, clock = Charging(), StillClock()
    url = _interrupted(quick_path / "hub.db", flow, clock)

    async def nothing(_bench: Bench, _execution_id: str) -> None: ...

    async def say_so(bench: Bench) -> None:
        (found,) = await bench.store.executions()
        await bench.going_on.settle(found.id, "main-job/charge", Again.AGAIN, by="test")

    async def look(bench: Bench, execution_id: str) -> None:
        assert (await bench.record(execution_id)).result == "charged 1"
        assert len(flow.charged) == 2

    _next_life(url, flow, clock, nothing)
    play(say_so, lambda: Bench(url, [flow.workflow], clock=clock, node="node-9"))
    clock.advance(1)
    _next_life(url, flow, clock, look)


def test_interrupted_again_after_it_was_let_run_again_it_is_unknown_again(quick_path):
    flow, clock = Charging(), StillClock()
    url = _interrupted(quick_path / "hub.db", flow, clock)

    async def again(bench: Bench) -> None:
        await move_in(bench)
        await bench.work()
        (found,) = await bench.store.executions()
        await _settle(bench, found.id, Again.AGAIN)

    clock.advance(1)
    bench = Bench(url, [flow.workflow], clock=clock, node="node-2", inline=True)
    crashed, _ = one_life(bench, again, at_commit("checkpoint", "before", 1))
    assert crashed

    async def look(bench: Bench, execution_id: str) -> None:
        call = of(await bench.record(execution_id), "main-job/charge")
        assert (call.status, call.attempts, len(flow.charged)) == (JobStatus.WAITING, 2, 2)
        await _settle(bench, execution_id, "found")
        assert (await bench.record(execution_id)).result == "found"

    clock.advance(1)
    _next_life(url, flow, clock, look)


def test_by_rule_it_fails_and_its_caller_may_catch_that(quick_path):
    flow, clock = Charging(on_unknown="fail"), StillClock()
    url = _interrupted(quick_path / "hub.db", flow, clock)

    async def story(bench: Bench, execution_id: str) -> None:
        record = await bench.record(execution_id)
        assert (record.status, record.result) == (Status.SUCCESS, "caught OutcomeUnknown")
        assert of(record, "main-job/charge").status is JobStatus.FAILED
        assert len(flow.charged) == 1

    _next_life(url, flow, clock, story)


def test_one_that_failed_is_not_repeated_by_retries_nor_by_a_resume(tell):
    flow = Charging(stumble=True)

    async def story(bench: Bench) -> None:
        record = await bench.run("charging")
        for _ in range(3):
            bench.clock.advance(60)
            await bench.work()
        record = await bench.record(record.id)
        assert (record.status, record.attempts, len(flow.charged)) == (Status.FAILED, 4, 1)
        flow.stumble = False
        await bench.store.resume(record.id)
        await bench.work()
        assert len(flow.charged) == 1
        bench.clock.advance(600)
        while (record := await bench.record(record.id)).status is not Status.FAILED:
            bench.clock.advance(60)
            await bench.work()
        # Only a person may have it made again.
        assert await _settle(bench, record.id, Again.AGAIN) is JobStatus.SUSPEND
        await bench.store.resume(record.id)
        await bench.work()
        record = await bench.record(record.id)
        assert (record.status, record.result, len(flow.charged)) == (Status.SUCCESS, "charged 1", 2)

    tell(story, flow.workflow, clock=StillClock())


def test_a_failed_call_can_be_given_a_result(tell):
    @job
    async def fetch(input: int) -> int:
        raise NonRetryable("gone")

    @job(name="main-job")
    async def main() -> int:
        return 1 + await fetch.trigger(1)

    async def story(bench: Bench) -> None:
        record = await bench.run("fetching")
        assert record.status is Status.FAILED
        with pytest.raises(InvalidArguments):
            await _settle(bench, record.id, "x", "main-job/fetch")
        with pytest.raises(NotFound, match="main-job/fetch"):
            await _settle(bench, record.id, 1, "main-job/fetsch")
        with pytest.raises(ExecutionNotFound):
            await _settle(bench, "nothing", 1)
        with pytest.raises(Conflict, match="and the execution FAILED"):
            await _settle(bench, record.id, Failed("it has"), "main-job/fetch")
        await _settle(bench, record.id, 41, "main-job/fetch")
        await bench.store.resume(record.id)
        await bench.work()
        assert (await bench.record(record.id)).result == 42

    tell(story, workflow("fetching", main))


def test_what_makes_no_sense_is_refused_where_it_is_declared():
    def charge() -> None: ...

    for settings, said in [
        ({"retry": RETRY}, "at most once, so it has no retries"),
        ({"transaction": "shop"}, "no need of it"),
        ({"on_unknown": "again"}, 'must be "wait" or "fail"'),
    ]:
        with pytest.raises(ValueError, match=said):
            job(at_most_once=True, **settings)(charge)
    once = job(at_most_once=True)(charge)
    with pytest.raises(ValueError, match="cannot be the main job"):
        workflow("charging", once)


def test_it_makes_no_durable_calls(tell):
    @job
    async def other() -> None: ...

    @job(at_most_once=True)
    async def charge(ctx: Context) -> None:
        with pytest.raises(Exception, match="at most once: it is never run again from its top"):
            other.trigger()
        with pytest.raises(Exception, match="can make no durable calls"):
            await ctx.step.sleep("pause", "1s")

    @job(name="main-job")
    async def main() -> None:
        await charge.trigger()

    async def story(bench: Bench) -> None:
        await bench.succeed("charging")

    tell(story, workflow("charging", main))


def test_an_executor_may_aim_at_one(tell):
    ran: list[int] = []

    @job(at_most_once=True)
    def charge(input: int) -> int:
        ran.append(input)
        return input + 1

    async def story(bench: Bench) -> None:
        assert await bench.succeed("job.charge", 1) == 2
        assert ran == [1]

    tell(story, Workflow.around("job.charge", charge))


def test_a_step_may_be_at_most_once_too(quick_path):
    ran: list[int] = []

    @job(name="main-job")
    async def main(ctx: Context) -> int:
        return await ctx.step.run("charge", lambda: ran.append(1) or 5, at_most_once=True)

    flow, clock, url = workflow("stepping", main), StillClock(), f"sqlite:///{quick_path}/hub.db"

    async def first(bench: Bench) -> None:
        await move_in(bench)
        await bench.run("stepping")

    crashed, _ = one_life(Bench(url, [flow], clock=clock, inline=True), first, at_commit("checkpoint", "before", 1))
    assert crashed

    async def second(bench: Bench) -> None:
        await move_in(bench)
        await bench.work()
        (found,) = await bench.store.executions()
        assert found.status is Status.WAITING
        await _settle(bench, found.id, 6, "main-job/charge")
        assert ((await bench.record(found.id)).result, ran) == (6, [1])

    clock.advance(1)
    play(second, lambda: Bench(url, [flow], clock=clock, node="node-2"))


def _effects_of_all_crashes(folder, wreck=lambda _bench: None) -> list[int]:
    """How often it was charged, for a crash before and after each commit; people settle by what the bank says."""
    charged = []
    for moment in ("before", "after"):
        for at in count(1):
            flow, clock = Charging(), StillClock()
            url = f"sqlite:///{folder}/{moment}-{at}.db"
            passed = count(1)

            def probe(when, _verbs, moment=moment, at=at, passed=passed):
                if when == moment and next(passed) == at:
                    raise Crash

            async def story(bench: Bench, flow=flow) -> None:
                await move_in(bench)
                await bench.start("charging", key="one")
                await bench.work()
                for record in await bench.store.executions(status="WAITING"):
                    await _settle(bench, record.id, "charged 1" if flow.charged else Again.AGAIN)
                (record,) = await bench.store.executions()
                assert (record.status, record.result) == (Status.SUCCESS, "charged 1")

            bench = Bench(url, [flow.workflow], clock=clock, inline=True)
            wreck(bench)
            crashed, _ = one_life(bench, story, probe)
            if crashed:
                clock.advance(1)
                play(
                    story, lambda url=url, flow=flow, clock=clock: Bench(url, [flow.workflow], clock=clock, node="n-2")
                )
            charged.append(len(flow.charged))
            if not crashed:
                break
    return charged


def test_whenever_the_process_ends_it_was_done_once(quick_path):
    charged = _effects_of_all_crashes(quick_path)
    assert len(charged) > 15
    assert set(charged) == {1}


def test_a_beginning_that_is_not_durable_would_be_seen(quick_path):
    def begins_are_not_awaited(bench: Bench) -> None:
        async def begin(write: CallWrite) -> None:
            bench.store.mark(write)

        bench.store.begin = begin  # type: ignore[method-assign]

    assert max(_effects_of_all_crashes(quick_path, begins_are_not_awaited)) == 2
