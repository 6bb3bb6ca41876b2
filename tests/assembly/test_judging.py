"""Bodies that take long are judged beside the loop, and the same is said of them there."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hub.assembly import judging as module
from hub.assembly.judging import Judge, Judging
from hub.declare.body_schema import TOO_SLOW
from hub.triggers.webhook.endpoint import Undecided

ENDLESS: dict[str, Any] = {"properties": {"name": {"pattern": "^(a+)+$"}, "n": {"type": "integer"}}}
BODY = {"name": "a" * 40 + "b"}
#: Seconds for what may hang.
PATIENCE = 60


def play(story: Callable[[Judging], Awaitable[None]], longest: float = 0.3) -> None:
    async def whole() -> None:
        judging = Judging(longest)
        try:
            async with asyncio.timeout(PATIENCE):
                await story(judging)
        finally:
            judging.close()

    asyncio.run(whole())


async def judged(judge: Judge, value: Any) -> str | None:
    return await found() if callable(found := judge(value)) else found


def test_what_is_quick_is_said_at_once_and_no_process_is_started() -> None:
    judging = Judging()
    judge = Judge(judging, "orders", ENDLESS)
    assert judge({"n": 1}) is None
    assert judge({"n": "1"}) == "$.n: must be integer"
    assert judging._lane._child is None


def test_what_takes_for_ever_is_refused_and_the_loop_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async def story(judging: Judging) -> None:
        judge = Judge(judging, "orders", ENDLESS)
        asked = asyncio.create_task(judged(judge, BODY))
        await asyncio.sleep(0)
        assert not asked.done(), "others have their turn"
        assert await asked == TOO_SLOW
        assert await judged(judge, BODY) == TOO_SLOW

    with caplog.at_level(logging.WARNING):
        play(story)
    (told,) = caplog.messages
    assert told.startswith("webhook orders: holding a body against the schema was given up after 0.3 s")


def test_behind_a_body_that_took_long_the_next_ones_are_not_tried_at_once() -> None:
    async def story(judging: Judging) -> None:
        judge = Judge(judging, "orders", ENDLESS)
        assert callable(judge(BODY))
        for _ in range(module._UNSEEN):
            assert callable(judge({"n": "1"})), "each could take as long as the first one"
        assert judge({"n": "1"}) == "$.n: must be integer"

    play(story)


def test_no_more_wait_than_can_be_answered_in_time() -> None:
    async def story(judging: Judging) -> None:
        judge = Judge(judging, "orders", ENDLESS)
        assert callable(judge(BODY))
        told = await asyncio.gather(*(judged(judge, {}) for _ in range(17)), return_exceptions=True)
        assert told[:16] == [None] * 16
        assert isinstance(told[16], Undecided)
        assert await judged(judge, {}) is None, "there is room again"

    play(story)


def test_whoever_hangs_up_counts_until_his_body_is_done() -> None:
    async def story(judging: Judging) -> None:
        asked = asyncio.create_task(judged(Judge(judging, "orders", ENDLESS), BODY))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        (asking,) = judging._asking
        await asking
        await asyncio.sleep(0)
        assert not judging._asking

    play(story)


def test_a_process_that_is_killed_is_followed_by_another_one() -> None:
    async def story(judging: Judging) -> None:
        judge = Judge(judging, "orders", ENDLESS)
        assert await judged(judge, BODY) == TOO_SLOW
        child = judging._lane._child
        assert child is not None
        os.kill(child.pid, signal.SIGKILL)
        assert await judged(judge, {"n": "1"}) == "$.n: must be integer"

    play(story)


def test_one_that_cannot_be_started_leaves_bodies_undecided(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(judging: Judging) -> None:
        with pytest.raises(Undecided):
            await judged(Judge(judging, "orders", ENDLESS), BODY)

    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with caplog.at_level(logging.ERROR):
        play(story)
    assert "check that /nowhere/python can be run" in caplog.text


def test_large_bodies_of_any_text_are_judged_there_as_here() -> None:
    value: list[Any] = [{"ü": "\u2028ß", "n": number} for number in range(30_000)]
    value.append({"ü": 10**30})

    async def story(judging: Judging) -> None:
        schema = json.dumps({"items": {"properties": {"ü": {"type": "string"}}}}).encode()
        assert await judging.ask(schema, value) == ["$[30000].ü: must be string"]

    play(story, longest=10.0)
