"""From stored events to recorded deliveries and start requests, each event exactly once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from dispatch_desk import BOT, CREATED, USERS, VISITOR, Desk, Tell, executor, row, webhook
from kit import PATIENCE

from hub.dispatch.deliver import BATCH
from hub.engine.authoring import job, workflow
from hub.model.event import Outcome
from hub.model.execution import Status
from hub.model.executor import EventTrigger, JobTarget, WebhookTrigger, WorkflowTarget
from hub.model.identity import InvokerRef

BIG = 'args.body.total > 100 && args.body.country !== "NO"'


def test_what_matches_is_started_as_the_invoker(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        delivery = await desk.happens_once(webhook("hook", {"total": 120}))
        record = await desk.started(delivery)
        assert delivery.outcome is Outcome.STARTED
        assert delivery.id == f"{delivery.event_id}.hook"
        assert delivery.reason == f"execution {record.id} of echoing was started."
        assert delivery.evaluation == {"condition": True, "variables": {"total": 120}}
        assert (record.status, record.args, record.workflow) == (Status.PENDING, {"total": 120}, "echoing")
        assert record.invoker == USERS["main-auth"]["workflow-bot"].as_json()
        assert (record.executor, record.event_id, record.requested_by) == ("hook", delivery.event_id, "executor")

    at_desk(story, executor("hook", variables="args.body", condition=BIG))


def test_what_does_not_is_filtered_with_the_condition(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        delivery = await desk.happens_once(webhook("hook", {"total": 120, "country": "NO"}))
        assert delivery.outcome is Outcome.FILTERED
        assert delivery.reason == f"the condition {BIG} was not met."
        assert delivery.execution_id is None
        assert delivery.evaluation == {"condition": False}
        assert await desk.store.executions() == []

    at_desk(story, executor("hook", condition=BIG))


@pytest.mark.parametrize("value", ["0", '""', "null", "undefined", "NaN", "false"])
def test_whatever_is_falsy_filters(at_desk: Tell, value: str) -> None:
    async def story(desk: Desk) -> None:
        assert (await desk.happens_once(webhook("hook"))).outcome is Outcome.FILTERED

    at_desk(story, executor("hook", condition=value))


@pytest.mark.parametrize(
    ("made", "outcome", "reason"),
    [
        (executor("hook", condition="args.body.a.b.c"), Outcome.FAILED, "condition, line 1"),
        (executor("hook", variables="({ a: nobody })"), Outcome.FAILED, "variables, line 1"),
        (executor("hook", variables="'not json'"), Outcome.FAILED, "it is not JSON"),
        (executor("hook", variables="[1]"), Outcome.FAILED, "the variables do not fit workflow echoing: $"),
        (executor("hook", disabled=True), Outcome.SKIPPED, "disabled in its file"),
        (executor("hook", invoker=VISITOR), Outcome.REJECTED, '"workflow:start:echoing"'),
        (executor("hook", invoker=InvokerRef("main-auth", "workflow-bo")), Outcome.FAILED, "workflow-bot"),
        (executor("hook", invoker=InvokerRef("main-aut", "x")), Outcome.FAILED, "main-auth"),
        (executor("hook", target=WorkflowTarget("echoin", BOT)), Outcome.FAILED, '"echoing"'),
        (executor("hook", target=JobTarget("nobody", BOT)), Outcome.FAILED, "job.nobody"),
        (executor("hook", WebhookTrigger(events=("push",))), Outcome.FILTERED, "is not among push"),
        (executor("other"), Outcome.FAILED, "there is no executor hook any more"),
    ],
    ids=lambda value: str(value)[:24] if isinstance(value, str) else None,
)
def test_each_way_of_not_starting_has_its_outcome_and_reason(
    at_desk: Tell, made: Any, outcome: Outcome, reason: str
) -> None:
    async def story(desk: Desk) -> None:
        delivery = await desk.happens_once(webhook("hook", {}))
        assert (delivery.outcome, delivery.execution_id) == (outcome, None)
        assert reason in delivery.reason
        assert await desk.store.executions() == []
        assert await desk.dispatcher.run_once() == 0, "it is done with"

    at_desk(story, made)


def test_an_anonymous_invoker_is_none(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        record = await desk.started(await desk.happens_once(webhook("hook")))
        assert record.invoker is None

    at_desk(story, executor("hook", invoker=None))


def test_a_paused_executor_is_paused_from_that_moment_to_the_other(at_desk: Tell) -> None:
    async def story(desk: Desk) -> list[Outcome]:
        outcomes = [(await desk.happens_once(webhook("hook"))).outcome]
        await desk.store.pause("hook", paused=True)
        outcomes.append((await desk.happens_once(webhook("hook"))).outcome)
        await desk.store.pause("hook", paused=False)
        outcomes.append((await desk.happens_once(webhook("hook"))).outcome)
        return outcomes

    assert at_desk(story, executor("hook")) == [Outcome.STARTED, Outcome.PAUSED, Outcome.STARTED]


def test_an_event_meets_each_executor_that_it_concerns_on_its_own(at_desk: Tell) -> None:
    """One that fails, one that filters and one that is disabled take nothing from the one that starts."""

    async def story(desk: Desk) -> None:
        (deliveries, nobody) = await desk.happens(
            row("record.created", {"id": 1}), row("record.created", {"id": 2}, model="nothing")
        )
        assert [(one.executor, one.outcome) for one in deliveries] == [
            ("fails", Outcome.FAILED),
            ("filters", Outcome.FILTERED),
            ("off", Outcome.SKIPPED),
            ("starts", Outcome.STARTED),
            ("too", Outcome.STARTED),
        ]
        assert nobody == []
        assert len(await desk.store.executions()) == 2

    at_desk(
        story,
        executor("starts", CREATED),
        executor("fails", CREATED, "({ a: b })"),
        executor("filters", CREATED, condition="false"),
        executor("off", CREATED, disabled=True),
        executor("too", EventTrigger("shop", ("record.deleted", "record.created"), "orders")),
        executor("elsewhere", EventTrigger("crm", ("record.created",), "orders")),
    )


def test_a_job_target_is_a_workflow_of_one_job(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        record = await desk.started(await desk.happens_once(webhook("hook", {"n": 1})))
        assert (record.workflow, record.args) == ("job.lonely", {"n": 1})

    at_desk(story, executor("hook", target=JobTarget("lonely", BOT, "args.body")))


def test_arguments_are_checked_before_anything_is_started(at_desk: Tell) -> None:
    @dataclass
    class Order:
        number: int

    @job
    async def process(input: Order) -> int:
        return input.number

    async def story(desk: Desk) -> None:
        good, bad = await desk.happens(webhook("hook", {"number": 5}), webhook("hook", {"number": "five"}))
        assert (await desk.started(good[0])).args == {"number": 5}
        assert bad[0].outcome is Outcome.FAILED
        assert bad[0].reason.startswith("the variables do not fit workflow processing: $.number: ")
        assert bad[0].evaluation["variables"] == {"number": "five"}, "kept, so that a person sees what it was"

    at_desk(
        story,
        executor("hook", target=WorkflowTarget("processing", BOT, "args.body")),
        workflows=[workflow("processing", process)],
    )


def test_an_event_is_dispatched_once_whoever_tries(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        for n in range(20):
            await desk.store.store_event(webhook("hook", {"n": n}))
        done = await asyncio.gather(*[desk.dispatcher.run_once() for _ in range(4)])
        assert sum(done) >= 20
        executions = await desk.store.executions(limit=100)
        assert sorted(one.args["n"] for one in executions) == list(range(20))
        deliveries = await desk.store.deliveries(executor="hook")
        assert {one.execution_id for one in deliveries} == {one.id for one in executions}
        assert len(deliveries) == 20

    at_desk(story, executor("hook", variables="args.body"))


def test_more_events_than_one_round_takes_are_all_dispatched(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        await desk.store.store_events([webhook("hook", {"n": n}) for n in range(450)])
        rounds = []
        while done := await desk.dispatcher.run_once():
            rounds.append(done)
        assert rounds == [BATCH] * (450 // BATCH) + [450 % BATCH]
        executions = await desk.store.executions(limit=1000)
        assert sorted(one.args["n"] for one in executions) == list(range(450))

    at_desk(story, executor("hook", variables="args.body"))


def test_serving_goes_on_after_a_failure_and_ends_when_told(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        undispatched = desk.store.undispatched
        fails = [RuntimeError("a fault"), OSError("another")]

        async def failing(*look: Any) -> Any:
            if fails:
                desk.dispatcher.waker.ring()
                raise fails.pop()
            return await undispatched(*look)

        desk.store.undispatched = failing  # type: ignore[method-assign]  # the planted faults
        stop, started, loop = asyncio.Event(), asyncio.Event(), asyncio.get_running_loop()
        bells = {"events": desk.dispatcher.waker.ring, "executions": lambda: loop.call_soon_threadsafe(started.set)}
        desk.store.listen(lambda topic: bells[topic]())
        serving = asyncio.create_task(desk.dispatcher.serve(stop))
        await desk.store.store_event(webhook("hook"))
        async with asyncio.timeout(PATIENCE):
            await started.wait()
        assert not fails
        stop.set()
        desk.dispatcher.waker.ring()
        await serving

    at_desk(story, executor("hook"))


def test_a_replay_is_another_delivery_with_the_next_number(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        first = await desk.happens_once(webhook("hook", {"n": 1}))
        assert first.outcome is Outcome.FAILED
        event = await desk.store.event(first.event_id)
        assert event is not None
        desk.change(executor("hook", variables="args.body"), executor("other", variables="args.body"))
        (second,) = await desk.dispatcher.replay(event)
        (third,) = await desk.dispatcher.replay(event, ["hook"])
        (elsewhere,) = await desk.dispatcher.replay(event, ["other"])
        ids = [one.id for one in (first, second, third, elsewhere)]
        assert ids == [f"{event.id}.hook", f"{event.id}.hook#2", f"{event.id}.hook#3", f"{event.id}.other"]
        executions = [await desk.started(one) for one in (second, third, elsewhere)]
        assert len({one.id for one in executions}) == 3, "each replay is meant"
        assert {one.event_id for one in executions} == {event.id}
        assert [one.id for one in await desk.of(event.id)] == sorted(ids)
        await desk.store.pause("hook", paused=True)
        (held,) = await desk.dispatcher.replay(event)
        assert held.outcome is Outcome.PAUSED

    at_desk(story, executor("hook", variables="({ n: nobody })"))


def test_a_replay_under_the_same_key_starts_nothing_more(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        first = await desk.happens_once(webhook("hook", {"n": 1}))
        event = await desk.store.event(first.event_id)
        assert event is not None
        (second,) = await desk.dispatcher.replay(event, None, None, "once")
        desk.clock.advance(60)
        assert await desk.dispatcher.replay(event, None, None, "once") == [second]
        (third,) = await desk.dispatcher.replay(event, None, None, "twice")
        assert (second.id, third.id) == (f"{event.id}.hook#2", f"{event.id}.hook#3")
        assert await desk.of(event.id) == [first, second, third]
        assert len(await desk.store.executions()) == 3

    at_desk(story, executor("hook"))


def test_a_replay_under_a_key_that_started_nothing_is_held_against_the_file_again(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        first = await desk.happens_once(webhook("hook", {"n": 1}))
        event = await desk.store.event(first.event_id)
        assert event is not None
        (failed,) = await desk.dispatcher.replay(event, None, None, "once")
        assert failed.outcome is Outcome.FAILED
        desk.change(executor("hook", variables="args.body"))
        (started,) = await desk.dispatcher.replay(event, None, None, "once")
        assert started.outcome is Outcome.STARTED

    at_desk(story, executor("hook", variables="({ n: nobody })"))


def test_a_repeated_delivery_does_not_change_the_number_of_a_replay(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        first = await desk.happens_once(webhook("hook", {"n": 1}, key="delivery-1"))
        assert (await desk.store.store_event(webhook("hook", {"n": 1}, key="delivery-1"))).duplicate
        event = await desk.store.event(first.event_id)
        assert event is not None
        (second,) = await desk.dispatcher.replay(event)
        assert second.id == f"{event.id}.hook#2"
        outcomes = [one.outcome for one in await desk.of(event.id)]
        assert sorted(outcomes) == [Outcome.DUPLICATE, Outcome.STARTED, Outcome.STARTED]

    at_desk(story, executor("hook"))


def test_the_same_event_gives_the_same_answer_again(at_desk: Tell) -> None:
    """Time and chance are the event's, not the evaluation's."""

    async def story(desk: Desk) -> None:
        first = await desk.happens_once(webhook("hook"))
        event = await desk.store.event(first.event_id)
        assert event is not None
        desk.clock.advance(3600)
        (second,) = await desk.dispatcher.replay(event)
        assert first.evaluation == second.evaluation
        assert (await desk.started(first)).args == (await desk.started(second)).args

    at_desk(story, executor("hook", variables="({ now: Date.now(), chance: Math.random(), date: new Date() })"))


def test_replaying_at_an_executor_that_is_not_there_is_recorded(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        first = await desk.happens_once(webhook("hook"))
        event = await desk.store.event(first.event_id)
        assert event is not None
        desk.change()
        (delivery,) = await desk.dispatcher.replay(event)
        assert delivery.outcome is Outcome.FAILED
        assert "there is no executor hook any more" in delivery.reason

    at_desk(story, executor("hook"))
