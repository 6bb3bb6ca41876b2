"""An order over 1,000 waits up to three days for a person's approval. Told with the test kit: three days take no time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from pydantic import BaseModel

from hub import Context, JobFailed, NonRetryable, RetryPolicy, WaitTimeout, job, wait_point, workflow
from hub.model.errors import Conflict
from hub.model.execution import Status
from hub.testing import VirtualEngine, VirtualRun, replay


class Order(BaseModel):
    order_id: str
    total: float


class ApprovalRequest(BaseModel):
    message: str


class ApprovalResult(BaseModel):
    approved: bool
    by: str = "somebody"


approval = wait_point("approval", payload=ApprovalRequest, result=ApprovalResult)


@job(retry=RetryPolicy(max_retries=5, initial_backoff="1m", max_backoff="10m"))
def charge(input: Order, ctx: Context) -> str:
    raise AssertionError("tests do not take money")


@job
async def remind(input: Order, ctx: Context) -> None:
    ctx.log.info("still nobody has approved %s", input.order_id)


@job
async def handle_order(input: Order, ctx: Context) -> dict[str, str]:
    """Ask when it is much, remind after a day, and take the money once."""
    if input.total > 1000:
        question = {"message": f"approve {input.order_id} over {input.total:g}?"}
        try:
            answer = await approval.wait(question, timeout="1d")
        except WaitTimeout:
            await remind.trigger(input)
            answer = await approval.with_(again=1).wait(question, timeout="2d")
        if not answer.approved:
            raise NonRetryable(f"{answer.by} refused {input.order_id}")
    return {"order": input.order_id, "receipt": await charge.trigger(input)}


orders = workflow("order-approval", handle_order)

LARGE = {"order_id": "o-7", "total": 2500}


def tell(story: Callable[[VirtualEngine], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with VirtualEngine([orders]) as engine:
            await story(engine)

    asyncio.run(whole())


async def ordered(engine: VirtualEngine) -> VirtualRun:
    engine.mock(charge, "receipt-1")
    run = await engine.start(orders, LARGE)
    assert await run.status() is Status.WAITING
    return run


def test_a_small_order_asks_nobody() -> None:
    async def story(engine: VirtualEngine) -> None:
        mock = engine.mock(charge, lambda order: f"receipt for {order.total:g}")
        run = await engine.start(orders, {"order_id": "o-1", "total": 1000})
        assert await run.result() == {"order": "o-1", "receipt": "receipt for 1000"}
        assert [order.order_id for order in mock.calls] == ["o-1"]

    tell(story)


def test_a_large_one_is_approved_on_the_third_day() -> None:
    async def story(engine: VirtualEngine) -> None:
        run = await ordered(engine)
        (asked,) = await engine.wait_points()
        assert asked.payload == {"message": "approve o-7 over 2500?"}
        await engine.advance("2d")
        (asked,) = await engine.wait_points()
        assert asked.key == "approval:again=1"
        await engine.answer(approval, {"approved": True, "by": "Ann"})
        assert await run.result() == {"order": "o-7", "receipt": "receipt-1"}
        assert [call.name for call in (await run.record()).jobs if call.name in ("remind", "charge")] == [
            "remind",
            "charge",
        ]
        await replay(await engine.history(run), orders)

    tell(story)


def test_a_refusal_ends_it_without_money() -> None:
    async def story(engine: VirtualEngine) -> None:
        run = await ordered(engine)
        mock = engine.mock(charge, "never")
        await engine.answer(approval, {"approved": False, "by": "Ann"}, execution=run)
        with pytest.raises(JobFailed, match="Ann refused o-7"):
            await run.result()
        assert mock.calls == []

    tell(story)


def test_nobody_answers_for_three_days() -> None:
    async def story(engine: VirtualEngine) -> None:
        run = await ordered(engine)
        await engine.advance("71h")
        assert await run.status() is Status.WAITING
        await engine.advance("1h")
        with pytest.raises(WaitTimeout):
            await run.result()
        with pytest.raises(Conflict, match="has ended"):
            await engine.answer(approval, {"approved": True}, execution=run)

    tell(story)


def test_the_bank_is_away_for_a_while() -> None:
    async def story(engine: VirtualEngine) -> None:
        tries: list[int] = []

        def bank(order: Order, ctx: Context) -> str:
            tries.append(ctx.attempt)
            if ctx.attempt < 3:
                raise ConnectionError("the bank is away")
            return "receipt-3"

        engine.mock(charge, bank)
        await engine.answer(approval, {"approved": True}, always=True)
        run = await engine.start(orders, LARGE)
        assert tries == [1]
        await engine.advance("20m")
        assert (await run.result(), tries) == ({"order": "o-7", "receipt": "receipt-3"}, [1, 2, 3])

    tell(story)
