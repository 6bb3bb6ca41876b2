"""Large results are kept apart, and nobody sees it."""

from __future__ import annotations

from typing import Any

import pytest
from kit import Bench, of
from sqlalchemy import text

from hub import Context, RetryPolicy, job, workflow
from hub.engine.trying import MOST_RESULT
from hub.model.audit import AuditEntry
from hub.model.execution import Status
from hub.store.contents import LARGE, offloaded, unpacked
from hub.store.pruning import Prune

WIDE = [{"number": number, "name": "a row of many"} for number in range(4_000)]


def _rows(bench: Bench, sql: str) -> list[Any]:
    with bench.store._engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


@job
async def wide(input: int) -> list[dict]:
    return WIDE[:input]


@job
async def handing_on(input: int) -> list[dict]:
    return await wide.trigger(input)


def test_the_rows_hold_a_reference_and_people_see_the_value(tell: Any) -> None:
    async def story(bench: Bench) -> None:
        record = await bench.run("wide-one", 4_000)
        assert record.result == WIDE
        assert of(record, "handing-on").result == of(record, "handing-on/wide").result
        assert [one.result for one in await bench.store.executions()] == [WIDE]
        (listed,) = await bench.store.list_executions()
        assert (listed.result, listed.result_left_out) == (None, True), "a list reads none of them"
        references = _rows(bench, "SELECT result FROM checkpoints UNION ALL SELECT result FROM executions")
        assert len(references) == 3
        assert len(set(references)) == 1
        ((size,),) = _rows(bench, "SELECT length(packed) FROM contents")
        assert size < 40_000, "it was compressed"

    tell(story, workflow("wide-one", handing_on))


@pytest.mark.parametrize(("length", "apart"), [(LARGE - 1, False), (LARGE, True)])
def test_the_threshold(length: int, apart: bool) -> None:
    body = '"' + "ä" * (length - 2) + '"'
    kept, content = offloaded(body)
    assert (content is not None) is apart
    if content is None:
        assert kept == body
    else:
        assert kept == f"@{content.hash}"
        assert unpacked(content.packed) == body


def test_a_later_try_gets_it_whole(tell: Any) -> None:
    tries: list[int] = []

    @job(name="main-job")
    async def main(ctx: Context) -> int:
        found = await wide.trigger(4_000)
        assert found == WIDE
        tries.append(ctx.attempt)
        if ctx.attempt == 1:
            raise ConnectionError("once")
        return len(found)

    async def story(bench: Bench) -> None:
        execution_id = await bench.start("main-one")
        await bench.work()
        bench.clock.advance(60)
        await bench.work()
        assert (await bench.record(execution_id)).result == 4_000
        assert tries == [1, 2]

    tell(story, workflow("main-one", main, retry_policy=RetryPolicy(max_retries=1)))


def test_a_child_hands_it_to_its_parent(tell: Any) -> None:
    child = workflow("child-one", wide)

    @job(name="main-job")
    async def main(ctx: Context) -> int:
        return len(await ctx.step.invoke(child, 4_000))

    async def story(bench: Bench) -> None:
        record = await bench.run("main-one")
        assert record.result == 4_000
        assert len(of(record, "main-job/invoke:child-one").result) > LARGE

    tell(story, workflow("main-one", main), child)


def test_it_goes_with_the_last_execution_that_has_it(tell: Any) -> None:
    async def story(bench: Bench) -> None:
        await bench.run("wide-one", 4_000)
        bench.clock.advance(100)
        second = await bench.run("wide-one", 4_000)
        bench.clock.advance(100)
        third = await bench.run("wide-one", 3_999)
        assert len(_rows(bench, "SELECT hash FROM contents")) == 2
        for record, left in ((second, 2), (third, 1)):
            assert record.created_at is not None
            await bench.store.prune(Prune(record.created_at, record.created_at))
            assert len(_rows(bench, "SELECT hash FROM contents")) == left
            assert (await bench.record(third.id)).result == WIDE[:3_999]

    tell(story, workflow("wide-one", handing_on))


def test_a_result_that_is_stored_already_is_settled_as_one(tell: Any) -> None:
    """The worker ended between the main job's checkpoint and the end of its execution."""

    async def story(bench: Bench) -> None:
        execution_id = await bench.start("wide-one", 4_000)
        await bench.work()
        with bench.store._engine.begin() as connection:
            connection.execute(
                text("UPDATE executions SET status = 'PENDING', result = NULL, due_at = 0, finished_at = NULL")
            )
        await bench.work()
        record = await bench.record(execution_id)
        assert (record.status, record.result) == (Status.SUCCESS, WIDE)
        ((stored,),) = _rows(bench, "SELECT result FROM executions")
        assert stored.startswith("@")

    tell(story, workflow("wide-one", handing_on))


def test_beyond_the_limit_is_a_clear_error(tell: Any) -> None:
    @job(name="main-job")
    async def main(input: int) -> str:
        return "x" * input

    async def story(bench: Bench) -> None:
        assert len(await bench.succeed("main-one", MOST_RESULT - 2)) == MOST_RESULT - 2
        record = await bench.run("main-one", MOST_RESULT - 1)
        assert record.error is not None
        assert (
            record.error["message"] == "the result is 16,777,217 characters of JSON; at most 16,777,216 can be stored."
        )

    tell(story, workflow("main-one", main))


def test_a_fork_keeps_it_when_its_origin_has_gone(tell: Any) -> None:
    @job(name="main-job")
    async def main(input: int, ctx: Context) -> int:
        return len(await wide.trigger(input)) + await ctx.step.run("last", lambda: 1)

    async def story(bench: Bench) -> None:
        origin = await bench.run("main-one", 4_000)
        bench.clock.advance(100)
        entry = AuditEntry(bench.clock.now(), "test", "execution:fork", origin.id)
        fork = await bench.going_on.fork(origin.id, "main-job/last", requested_by="test", entry=entry)
        now = (await bench.record(fork.id)).created_at
        await bench.store.prune(Prune(now, now))
        assert await bench.store.execution(origin.id) is None
        await bench.work()
        record = await bench.record(fork.id)
        assert record.result == 4_001
        assert of(record, "main-job/wide").result == of(origin, "main-job/wide").result

    tell(story, workflow("main-one", main))
