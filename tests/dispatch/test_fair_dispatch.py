"""Another sender's flood: whoever else sends something waits for a handful of it, not for all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from dispatch_desk import Desk, Tell, executor, webhook

from hub.dispatch.deliver import BATCH
from hub.store.events import Dispatched

EXECUTORS = executor("flood", variables="args.body"), executor("quiet", variables="args.body")


def listen(desk: Desk, heard: Callable[[str], None]) -> None:
    """`heard(id)` for each event when what became of it is about to be stored."""
    dispatch = desk.store.dispatch

    async def listening(dispatched: Dispatched) -> bool:
        heard(dispatched.event_id)
        return await dispatch(dispatched)

    desk.store.dispatch = listening  # type: ignore[method-assign]  # the same, listened to


async def flood(desk: Desk, count: int) -> None:
    await desk.store.store_events([webhook("flood", {"n": n}) for n in range(count)])


def test_what_came_behind_a_flood_is_dispatched_before_the_rest_of_it(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        order: list[str] = []
        listen(desk, order.append)
        await flood(desk, 5 * BATCH)
        assert await desk.dispatcher.run_once() == BATCH
        quiet = {(await desk.store.store_event(webhook("quiet", {"n": n}))).id for n in range(3)}
        assert await desk.dispatcher.run_once() == 3 + BATCH
        assert set(order[BATCH : BATCH + 3]) == quiet
        while await desk.dispatcher.run_once():
            pass
        assert len(order) == len(set(order)) == 5 * BATCH + 3

    at_desk(story, *EXECUTORS)


@pytest.mark.parametrize("others", [False, True])
def test_while_it_rests_from_a_flood_others_do_not_wait(at_desk: Tell, others: bool) -> None:
    async def story(desk: Desk) -> None:
        order: list[str] = []
        listen(desk, order.append)
        if not others:
            desk.dispatcher._dispatch_others = nothing  # type: ignore[method-assign]  # the planted fault
        await flood(desk, 3 * BATCH)
        stop = asyncio.Event()
        sleep, quiet = desk.clock.sleep, []

        async def sleeping(seconds: float) -> None:
            """A tenth of a second after the first batch another sender's event comes."""
            if begun + 0.1 <= desk.clock.monotonic() and not quiet:
                quiet.append((await desk.store.store_event(webhook("quiet", {}))).id)
            await sleep(seconds)

        def rest(_worked: float) -> float:
            stop.set()  # it ends when it has rested
            return 1.0

        begun, desk.dispatcher.rest = desk.clock.monotonic(), rest
        desk.clock.sleep = sleeping  # type: ignore[method-assign]
        desk.dispatcher.waker.ring()
        await desk.dispatcher.serve(stop)
        assert len(order[:BATCH]) == BATCH
        assert order[BATCH:] == (quiet if others else [])
        assert desk.clock.monotonic() == pytest.approx(begun + 1.0)

    at_desk(story, *EXECUTORS)


async def nothing() -> int:
    return 0


def test_nobody_is_looked_for_where_there_is_no_flood(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        stop = asyncio.Event()

        def rest(_worked: float) -> float:
            stop.set()
            return 1.0

        desk.dispatcher.rest = rest
        await flood(desk, BATCH - 1)
        desk.dispatcher.waker.ring()
        await desk.dispatcher.serve(stop)
        assert desk.clock.slept == [1.0], "it rests in one go"

    at_desk(story, *EXECUTORS)
