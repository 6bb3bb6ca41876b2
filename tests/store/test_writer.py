"""The writer: one commit for many, each caller its own answer, and nothing acknowledged that is not committed."""

from __future__ import annotations

import asyncio

import pytest
from kit import PATIENCE, until
from writer_book import NOTE, Setting, verb

from hub.model.errors import StoreUnavailable
from hub.store.dialects.base import StoreBroken, StoreBusy


@pytest.fixture(params=["inline", "thread"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_what_queues_up_is_committed_at_once_and_each_gets_its_own_answer() -> None:
    async def story() -> None:
        setting = Setting("thread")
        setting.book.gate.clear()
        first = setting.writer.submit(NOTE, "first")
        await until(setting.book.taken.is_set)
        rest = [setting.writer.submit(NOTE, str(number)) for number in range(500)]
        refused = setting.writer.submit(NOTE, "refused")
        assert not any(future.done() for future in [first, *rest])
        setting.book.gate.set()
        assert await first == "did first"
        assert await asyncio.gather(*rest) == [f"did {number}" for number in range(500)]
        with pytest.raises(ValueError, match="refused"):
            await refused
        assert [len(batch) for batch in setting.book.committed] == [1, 501]
        await setting.writer.close()
        assert setting.book.closed

    asyncio.run(story())


def test_what_is_handed_in_is_told_on_the_loop_whatever_came_of_it(kind: str) -> None:
    async def story() -> None:
        setting = Setting(kind)
        loop = asyncio.get_running_loop()
        told: list[object] = []

        def hand_in(item: str) -> asyncio.Future[None]:
            heard: asyncio.Future[None] = loop.create_future()

            def done(result: object) -> None:
                assert asyncio.get_running_loop() is loop
                told.append(result if isinstance(result, str) else type(result))
                heard.set_result(None)
                if item == "clumsy":
                    raise RuntimeError("a caller's own fault")

            setting.writer.hand_in(NOTE, item, done, timeout=1.0)
            return heard

        for item in ("a", "refused", "unacceptable", "clumsy", "b"):
            await hand_in(item)
        assert told == ["did a", ValueError, ValueError, "did clumsy", "did b"]
        if kind == "thread":
            await setting.writer.close()
            await hand_in("late")
            assert told[-1] is StoreUnavailable

    asyncio.run(story())


def test_one_bad_operation_does_not_take_the_others_down(kind: str) -> None:
    async def story() -> None:
        setting = Setting(kind)
        setting.book.gate.clear() if kind == "thread" else None
        futures = [setting.writer.submit(NOTE, item) for item in ("a", "unacceptable", "b")]
        setting.book.gate.set()
        answers = await asyncio.gather(*futures, return_exceptions=True)
        assert answers[0::2] == ["did a", "did b"]
        assert isinstance(answers[1], ValueError)
        assert [item for batch in setting.book.committed for item in batch] == ["a", "b"]
        await setting.writer.close()

    asyncio.run(story())


def test_riders_go_along_before_the_next_operation_and_a_bad_one_harms_nobody(kind: str) -> None:
    async def story() -> None:
        setting = Setting(kind)
        ride, forget = setting.writer.ride, setting.writer.forget
        ride(NOTE, "key", "older")
        ride(NOTE, "key", "newer")
        ride(NOTE, "forgotten", "nobody wants it")
        forget(NOTE, "forgotten")
        ride(NOTE, "bad", "unacceptable")
        assert await setting.writer.submit(NOTE, "operation") == "did operation"
        assert setting.book.committed[-1] == ["newer", "operation"]
        ride(NOTE, "another", "alone")
        await setting.writer.flush()
        assert setting.book.committed[-1] == ["alone"]
        ride(NOTE, "bad", "unacceptable")
        await setting.writer.flush()
        ride(NOTE, "last", "at the close")
        await setting.writer.close()
        assert setting.book.committed[-1] == ["at the close"]

    asyncio.run(story())


def test_riders_are_committed_soon_without_an_operation() -> None:
    async def story() -> None:
        setting = Setting("thread")
        setting.writer.ride(NOTE, "key", "alone")
        await until(lambda: setting.book.committed)
        await asyncio.to_thread(setting.writer.ride, NOTE, "key", "from a thread")
        await until(lambda: len(setting.book.committed) == 2)
        await setting.writer.close()

    asyncio.run(story())


def test_verbs_of_one_batch_are_applied_in_their_order() -> None:
    async def story() -> None:
        setting = Setting("thread")
        setting.book.gate.clear()
        block = setting.writer.submit(NOTE, "block")
        await until(setting.book.taken.is_set)
        order = [("claim", 4), ("settle", 2), ("checkpoint", 1), ("mark", 0), ("move", 3)]
        futures = [setting.writer.submit(verb(name, place), name) for name, place in order]
        setting.book.gate.set()
        await asyncio.gather(block, *futures)
        assert setting.book.committed[-1] == ["mark", "checkpoint", "settle", "move", "claim"]
        await setting.writer.close()

    asyncio.run(story())


def test_bells_ring_after_the_commit_and_a_listeners_fault_is_not_the_callers(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        setting = Setting(kind)
        assert await setting.writer.submit(verb("one", rings=("deaf", "executions")), "x") == "did x"
        assert sorted(setting.rung) == ["deaf", "executions"]
        assert setting.probes[-2:] == [("before", ["one"]), ("after", ["one"])]
        assert await setting.writer.submit(NOTE, "y") == "did y"
        await setting.writer.close()

    asyncio.run(story())
    assert "what was committed is committed" in caplog.text


@pytest.mark.parametrize("moment", ["begin_errors", "commit_errors"])
def test_a_busy_store_is_tried_again_and_nothing_is_written_twice(moment: str) -> None:
    async def story() -> None:
        setting = Setting("thread")
        getattr(setting.book, moment).extend([StoreBusy("locked"), StoreBusy("locked")])
        assert await setting.writer.submit(NOTE, "patient") == "did patient"
        assert setting.book.committed == [["patient"]]
        await setting.writer.close()

    asyncio.run(story())


def test_whose_time_is_up_is_told_and_nothing_of_theirs_is_written_later() -> None:
    async def story() -> None:
        setting = Setting("thread")
        setting.book.begin_errors.extend([StoreBusy("locked")] * 3)
        setting.book.gate.clear()
        hasty = setting.writer.submit(NOTE, "hasty", timeout=1.0)
        patient = setting.writer.submit(NOTE, "patient", timeout=60.0)
        setting.clock.advance(2)
        setting.book.gate.set()
        with pytest.raises(StoreUnavailable, match="could not be written in time: locked"):
            await hasty
        assert await patient == "did patient"
        assert setting.book.committed == [["patient"]]
        await setting.writer.close()

    asyncio.run(story())


def test_after_a_storage_failure_every_caller_hears_of_it_and_nothing_more_is_taken() -> None:
    async def story() -> None:
        setting = Setting("thread")
        setting.book.commit_errors.append(StoreBroken("fsync failed"))
        setting.book.gate.clear()
        first = setting.writer.submit(NOTE, "first")
        await until(setting.book.taken.is_set)
        queued = setting.writer.submit(NOTE, "queued behind it")
        setting.book.gate.set()
        for future in (first, queued):
            with pytest.raises(StoreUnavailable):
                await asyncio.wait_for(future, PATIENCE)
        with pytest.raises(StoreUnavailable):
            await setting.writer.submit(NOTE, "later")
        assert [str(error) for error in setting.broken] == ["fsync failed"]
        assert setting.book.committed == []
        await setting.writer.close()
        assert setting.book.closed

    asyncio.run(story())


def test_close_commits_the_queue_and_then_takes_nothing_more() -> None:
    async def story() -> None:
        setting = Setting("thread")
        setting.book.gate.clear()
        futures = [setting.writer.submit(NOTE, str(number)) for number in range(5_000)]
        closing = asyncio.create_task(setting.writer.close())
        await asyncio.sleep(0)
        setting.book.gate.set()
        await closing
        assert len(await asyncio.gather(*futures)) == 5_000
        assert sum(map(len, setting.book.committed)) == 5_000
        with pytest.raises(StoreUnavailable):
            await setting.writer.submit(NOTE, "too late")

    asyncio.run(story())


def test_two_loops_write_through_one_writer() -> None:
    async def some(setting: Setting, name: str) -> int:
        answers = await asyncio.gather(*[setting.writer.submit(NOTE, f"{name}{number}") for number in range(300)])
        return len(answers)

    async def story() -> None:
        setting = Setting("thread")
        other = asyncio.to_thread(lambda: asyncio.run(some(setting, "b")))
        assert await asyncio.gather(some(setting, "a"), other) == [300, 300]
        assert sum(map(len, setting.book.committed)) == 600
        await setting.writer.close()

    asyncio.run(story())
