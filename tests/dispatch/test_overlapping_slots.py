"""What becomes of a schedule's slot while an execution of its executor has not ended."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from dispatch_desk import ECHOING, NIGHTLY, USERS, Desk, Tell, executor, slot, webhook
from kit import until

from hub.engine import worker as worker_module
from hub.engine.registry import Registry
from hub.engine.surroundings import Surroundings
from hub.engine.worker import Worker
from hub.model.event import Delivery, Outcome
from hub.model.execution import Settled, Status
from hub.store.claims import Claimable, ClaimRequest

HOUR = 3_600_000


def nightly(policy: str):
    return executor("nightly", replace(NIGHTLY, overlap=policy))


async def _slot(desk: Desk) -> Delivery:
    desk.clock.advance(3600)
    return await desk.happens_once(slot("nightly", desk.clock.now()))


async def _claimed(desk: Desk) -> list[str]:
    request = ClaimRequest("node-1", (Claimable("echoing", "r1"),), 10, desk.clock.now())
    return [one.id for one in await desk.store.claim(request)]


async def _end(desk: Desk, delivery: Delivery, status: Status = Status.SUCCESS, **how: object) -> None:
    await desk.store.settle(Settled(str(delivery.execution_id), 1, status, desk.clock.now(), **how))  # type: ignore[arg-type]


async def _status(desk: Desk, delivery: Delivery) -> Status:
    return (await desk.started(delivery)).status


def test_it_is_allowed_unless_the_file_says_otherwise(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        found = [await _slot(desk) for _ in range(3)]
        assert [one.outcome for one in found] == [Outcome.STARTED] * 3
        assert len(await _claimed(desk)) == 3

    at_desk(story, nightly("allow"))


def test_a_slot_is_skipped_with_the_reason(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        first = await _slot(desk)
        for state in ("pending", "running"):
            if state == "running":
                await _claimed(desk)
            second = await _slot(desk)
            assert (second.outcome, second.execution_id) == (Outcome.SKIPPED, None)
            assert second.reason == f"execution {first.execution_id} has not ended (overlap: skip)."
        await _end(desk, first, Status.PENDING_RETRY, due_at=desk.clock.now() + 24 * HOUR)
        assert (await _slot(desk)).outcome is Outcome.SKIPPED, "it has failed, and comes again"
        assert len(await desk.store.executions()) == 1
        await desk.store.cancel(str(first.execution_id))
        assert (await _slot(desk)).outcome is Outcome.STARTED

    at_desk(story, nightly("skip"))


@pytest.mark.parametrize("how", [Status.SUCCESS, Status.FAILED, Status.CANCELED])
def test_one_is_queued_and_begins_when_the_one_before_has_ended(at_desk: Tell, how: Status) -> None:
    async def story(desk: Desk) -> None:
        first = await _slot(desk)
        assert await _claimed(desk) == [first.execution_id]
        second = await _slot(desk)
        assert second.outcome is Outcome.STARTED
        assert second.reason.endswith(f"It begins when execution {first.execution_id} has ended (overlap: queue_one).")
        queued = await desk.started(second)
        assert (queued.status, queued.due_at) == (Status.PENDING, None)
        assert queued.reason == f"queued behind execution {first.execution_id} (overlap: queue_one)"
        third = await _slot(desk)
        assert (third.outcome, third.execution_id) == (Outcome.SKIPPED, None)
        assert third.reason == f"execution {second.execution_id} is queued already (overlap: queue_one)."
        desk.clock.advance(3600)
        assert await _claimed(desk) == []
        if how is Status.CANCELED:
            await desk.store.cancel(str(first.execution_id))
        else:
            await _end(desk, first, how)
        assert (await desk.started(second)).reason is None
        assert await _claimed(desk) == [second.execution_id]
        # Now that one runs, and the next one is queued behind it.
        assert (await _slot(desk)).outcome is Outcome.STARTED
        assert await _claimed(desk) == []

    at_desk(story, nightly("queue_one"))


def test_a_queued_one_begins_as_soon_as_the_one_before_has_ended(
    at_desk: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "_POLL_SECONDS", 600.0)

    async def story(desk: Desk) -> None:
        slots = [await _slot(desk), await _slot(desk)]
        ended: list[str] = []
        around = Surroundings(machine_users=USERS)
        worker = Worker(desk.store, Registry([ECHOING]), around, desk.clock, "node-1", on_ended=ended.append)
        desk.store.listen(worker.hear)
        stop = asyncio.Event()
        serving = asyncio.create_task(worker.serve(stop))
        await until(lambda: len(ended) == 2)
        assert ended == [one.execution_id for one in slots]
        stop.set()
        worker.waker.ring()
        await serving
        await worker.drain(0)

    at_desk(story, nightly("queue_one"))


def test_a_queued_one_that_is_canceled_makes_room_and_does_not_begin(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        first = await _slot(desk)
        await _claimed(desk)
        second = await _slot(desk)
        await desk.store.cancel(str(second.execution_id))
        third = await _slot(desk)
        assert third.outcome is Outcome.STARTED
        await _end(desk, first)
        assert await _claimed(desk) == [third.execution_id]
        assert await _status(desk, second) is Status.CANCELED

    at_desk(story, nightly("queue_one"))


def test_it_waits_for_all_that_go_on(at_desk: Tell) -> None:
    """Somebody has replayed an event: then two run, and the queued one begins behind both."""

    async def story(desk: Desk) -> None:
        first = await _slot(desk)
        event = await desk.store.event(first.event_id)
        assert event is not None
        (again,) = await desk.dispatcher.replay(event)
        assert again.outcome is Outcome.STARTED, "whoever replays means it"
        assert len(await _claimed(desk)) == 2
        queued = await _slot(desk)
        await _end(desk, again)
        assert await _claimed(desk) == []
        await _end(desk, first)
        assert await _claimed(desk) == [queued.execution_id]

    at_desk(story, nightly("queue_one"))


def test_what_runs_is_canceled_for_the_newer_one_and_can_write_nothing_more(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        rung: list[str] = []
        desk.store.listen(rung.append)
        first = await _slot(desk)
        await _claimed(desk)
        rung.clear()
        second = await _slot(desk)
        assert second.outcome is Outcome.STARTED
        assert second.reason.endswith(f"Execution {first.execution_id} was canceled for it (overlap: cancel_running).")
        assert "canceled" in rung, "whoever runs it is told"
        assert await _status(desk, first) is Status.CANCELED
        with pytest.raises(Exception, match="no longer held"):
            await _end(desk, first)
        assert await _claimed(desk) == [second.execution_id]

    at_desk(story, nightly("cancel_running"))


def test_slots_that_are_caught_up_together_are_decided_one_after_the_other(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        events = [slot("nightly", desk.clock.now() - number * HOUR) for number in (3, 2, 1)]
        found = [deliveries[0].outcome for deliveries in await desk.happens(*events)]
        assert sorted(found) == [Outcome.SKIPPED, Outcome.SKIPPED, Outcome.STARTED]

    at_desk(story, nightly("skip"))


def test_other_executors_are_no_concern_of_it(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        await desk.happens_once(webhook("hook"))
        assert (await _slot(desk)).outcome is Outcome.STARTED

    at_desk(story, nightly("skip"), executor("hook"))
