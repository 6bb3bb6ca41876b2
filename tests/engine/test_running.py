"""Jobs that call jobs: scopes, branches, results, plain and async ones together."""

from __future__ import annotations

import asyncio
import threading

import pytest
from kit import Bench, of

from hub import Context, job, trigger_workflow, workflow
from hub.engine import calls
from hub.engine.scope import OutsideJob
from hub.model.execution import JobStatus, Status


@job
async def double(input: int) -> int:
    await asyncio.sleep(0)
    return 2 * input


@job
def treble(input: int) -> int:
    return 3 * input


@job
async def add(input: dict) -> int:
    return sum([await double.trigger(part) for part in input["parts"]])


def test_calls_are_stored_under_scope_name_and_occurrence(tell):
    @job
    async def main(input: dict, ctx: Context) -> list:
        assert ctx.input == input == {"n": 4}
        return [await double.trigger(input["n"]), await double.trigger(5), await add.trigger({"parts": [1, 2]})]

    async def story(bench: Bench) -> None:
        record = await bench.run("adding", {"n": 4})
        assert (record.status, record.result, record.error) == (Status.SUCCESS, [8, 10, 6], None)
        assert {call.path: call.result for call in record.jobs} == {
            "main-job": "[8,10,6]",
            "main-job/double": "8",
            "main-job/double#2": "10",
            "main-job/add": "6",
            "main-job/add/double": "2",
            "main-job/add/double#2": "4",
        }
        assert all(call.status is JobStatus.SUCCESS and call.attempts == 1 for call in record.jobs)

    tell(story, workflow("adding", job(name="main-job")(main.function)))


def test_gathered_triggers_run_side_by_side(tell):
    meeting = []

    @job
    async def meet(input: int) -> int:
        barrier = meeting[0]
        await barrier.wait()
        return input

    @job(name="main-job")
    async def main() -> list:
        meeting.append(asyncio.Barrier(3))
        return await asyncio.gather(*[meet.trigger(n) for n in range(3)])

    async def story(bench: Bench) -> None:
        record = await bench.run("meeting")
        assert record.result == [0, 1, 2]
        assert [of(record, f"main-job/meet{number}").args for number in ("", "#2", "#3")] == ["0", "1", "2"]

    tell(story, workflow("meeting", main))


def test_branches_count_their_own_calls_whatever_comes_first(tell):
    @job(name="main-job")
    async def main() -> list:
        second_first = asyncio.Event()

        async def branch(number: int) -> list:
            if number == 0:
                await second_first.wait()
            found = [await double.trigger(10 * number), await double.trigger(10 * number + 1)]
            second_first.set()
            return found

        return await asyncio.gather(branch(0), branch(1))

    async def story(bench: Bench) -> None:
        record = await bench.run("branches")
        assert record.result == [[0, 2], [20, 22]]
        assert {call.path: call.args for call in record.jobs if call.name == "double"} == {
            "main-job/~branch/double": "0",
            "main-job/~branch/double#2": "1",
            "main-job/~branch#2/double": "10",
            "main-job/~branch#2/double#2": "11",
        }

    tell(story, workflow("branches", main))


def test_plain_and_async_jobs_call_each_other_and_plain_ones_have_several_in_flight(tell):
    threads = set()

    @job
    def plain(input: int) -> int:
        threads.add(threading.current_thread().name)
        begun = [double.trigger(input + n) for n in range(3)] + [treble.trigger(input)]
        return sum(call.result() for call in begun)

    @job(name="main-job")
    async def main() -> int:
        return await plain.trigger(1) + await treble.trigger(5)

    async def story(bench: Bench) -> None:
        record = await bench.run("mixed")
        assert record.result == 2 + 4 + 6 + 3 + 15
        assert of(record, "main-job/plain/double#3").args == "3"
        assert threads
        assert "MainThread" not in threads

    tell(story, workflow("mixed", main))


def test_nested_plain_jobs_never_run_out_of_threads(tell):
    @job
    def nest(input: int) -> int:
        return 0 if input == 0 else 1 + nest.trigger(input - 1).result()

    @job(name="main-job")
    def main() -> list:
        return [call.result() for call in [nest.trigger(12) for _ in range(12)]]

    async def story(bench: Bench) -> None:
        assert await bench.succeed("deep") == [12] * 12

    tell(story, workflow("deep", main))


def test_jobs_that_call_themselves_without_end_are_stopped(tell, monkeypatch):
    monkeypatch.setattr(calls, "_DEEPEST", 30)

    @job
    async def endless(input: int) -> int:
        return await endless.trigger(input + 1)

    async def story(bench: Bench) -> None:
        record = await bench.run("endless-flow", 0)
        assert (record.status, record.error["type"]) == (Status.FAILED, "BadInput")
        assert "more than 30 levels deep: does endless call itself without end?" in record.error["message"]

    tell(story, workflow("endless-flow", endless))


def test_ordinary_awaits_between_calls(tell):
    @job(name="main-job")
    async def main() -> int:
        await asyncio.sleep(0.001)
        async with asyncio.timeout(5):
            found = await double.trigger(1)
        await asyncio.to_thread(lambda: None)
        return found + await asyncio.wait_for(double.trigger(2), 5)

    async def story(bench: Bench) -> None:
        assert await bench.succeed("patient") == 6

    tell(story, workflow("patient", main))


def test_waiting_in_the_wrong_way_says_what_is_right(tell):
    @job
    async def asking() -> int:
        return double.trigger(1).result()

    @job
    def waiting() -> int:
        return asyncio.run(_await(double.trigger(1)))

    async def story(bench: Bench) -> None:
        assert "write `await`" in (await bench.run("asking-wrongly")).error["message"]
        assert "call .result() instead" in (await bench.run("waiting-wrongly")).error["message"]

    tell(story, workflow("asking-wrongly", asking), workflow("waiting-wrongly", waiting))


async def _await(call):
    return await call


@pytest.mark.parametrize("call", [lambda: double.trigger(1), lambda: trigger_workflow("any-thing")])
def test_calls_outside_a_job_are_told_where_to_go(call):
    with pytest.raises(OutsideJob, match="hub workflow start"):
        call()


def test_a_job_waits_for_calls_that_nobody_awaited(tell):
    done = []

    @job
    async def late(input: int) -> None:
        await asyncio.sleep(0.01)
        done.append(input)

    @job(name="main-job")
    async def main() -> str:
        late.trigger(1)
        return "returned"

    async def story(bench: Bench) -> None:
        record = await bench.run("careless")
        assert record.result == "returned"
        assert done == [1]
        assert of(record, "main-job/late").status is JobStatus.SUCCESS

    tell(story, workflow("careless", main))


@pytest.mark.parametrize("seconds", [0, 0.02])
def test_a_failure_that_nobody_awaited_fails_the_job_early_or_late(tell, seconds):
    @job
    async def broken() -> None:
        await asyncio.sleep(seconds)
        raise ValueError("unheard")

    @job(name="main-job")
    async def main() -> str:
        broken.trigger()
        await asyncio.sleep(0.01)
        return "returned"

    async def story(bench: Bench) -> None:
        record = await bench.run("careless")
        assert (record.status, record.error["message"]) == (Status.FAILED, "unheard")

    tell(story, workflow("careless", main))


def test_a_task_that_outlives_its_job_can_call_nothing(tell):
    errors = []
    stray = []

    @job(name="main-job")
    async def main() -> None:
        async def later() -> None:
            await asyncio.sleep(0.01)
            try:
                double.trigger(1)
            except OutsideJob as error:
                errors.append(str(error))

        stray.append(asyncio.create_task(later()))

    async def story(bench: Bench) -> None:
        record = await bench.run("leaky")
        await asyncio.gather(*stray)
        assert [call.path for call in record.jobs] == ["main-job"]
        assert errors == ["the job at main-job has ended: nothing can be called from it any more."]

    tell(story, workflow("leaky", main))


def test_the_older_spelling_calls_jobs_by_name(tell):
    @job(name="main-job", deps=[double])
    async def main(ctx: Context) -> int:
        assert not hasattr(ctx.jobs, "__wrapped__")
        return await ctx.jobs.double(21)

    @job
    async def mistaken(ctx: Context) -> int:
        return await ctx.jobs.doubel(21)

    async def story(bench: Bench) -> None:
        assert await bench.succeed("older") == 42
        assert 'Did you mean "double"?' in (await bench.run("mistaken")).error["message"]

    tell(story, workflow("older", main), workflow("mistaken", mistaken))


def test_lines_are_kept_with_the_execution(tell):
    @job(name="main-job")
    async def main(ctx: Context) -> None:
        ctx.log.info("fetched %d rows", 3)
        ctx.log.warning("a lone \ud800 and 100%", "odd")
        ctx.log.info("%(count)d rows, and a NUL: \0", {"count": 4})
        await double.trigger(1)

    async def story(bench: Bench) -> None:
        record = await bench.run("logging")
        assert record.status is Status.SUCCESS
        await bench.store.flush()
        lines = [line for _, line in await bench.store.logs(record.id)]
        assert [(line.path, line.level, line.message) for line in lines] == [
            ("main-job", "INFO", "fetched 3 rows"),
            ("main-job", "WARNING", "a lone ? and 100% ('odd',)"),
            ("main-job", "INFO", "4 rows, and a NUL: ␀"),
        ]

    tell(story, workflow("logging", main))


def test_a_line_may_hold_the_traceback_of_what_is_handled(tell):
    @job(name="main-job")
    async def main(ctx: Context) -> None:
        try:
            int("none")
        except ValueError as error:
            ctx.log.exception("fetching failed")
            ctx.log.warning("again", exc_info=True)
            kept = error
        always = True
        ctx.log.info("in peace", exc_info=always)
        ctx.log.info("later", exc_info=kept)

    async def story(bench: Bench) -> None:
        record = await bench.run("tracing")
        assert record.status is Status.SUCCESS
        await bench.store.flush()
        told = "ValueError: invalid literal for int() with base 10: 'none'"
        said = [line.message.splitlines() for _, line in await bench.store.logs(record.id)]
        assert [lines[0] for lines in said] == ["fetching failed", "again", "in peace", "later"]
        assert [lines[-1] for lines in said] == [told, told, "in peace", told]
        assert said[0][1:] == said[1][1:] == said[3][1:]
        assert "test_running.py" in said[0][2]

    tell(story, workflow("tracing", main))
