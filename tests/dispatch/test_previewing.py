"""What would become of an event: what dispatch would say, each expression alone, and not a trace of it."""

from __future__ import annotations

import pytest
from dispatch_desk import VISITOR, Desk, Tell, executor, webhook

from hub.dispatch.preview import Preview
from hub.model.event import Outcome


async def _previewed(desk: Desk, body: object) -> Preview:
    stored = await desk.store.store_event(webhook("hook", body))
    event = await desk.store.event(stored.id)
    assert event is not None
    return await desk.dispatcher.preview(event, "hook")


def test_nothing_is_stored_and_nothing_starts(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        preview = await _previewed(desk, {"total": 120})
        assert (preview.outcome, preview.reason) == (Outcome.STARTED, "it would start echoing.")
        assert preview.variables is not None
        assert preview.variables.variables == {"total": 120}
        assert await desk.store.executions() == []
        assert await desk.store.deliveries(executor="hook") == []
        assert await desk.dispatcher.run_once() == 1, "the event still has to be dispatched"

    at_desk(story, executor("hook", variables="args.body", condition="args.body.total > 100"))


def test_variables_are_shown_also_where_the_condition_does_not_hold(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        preview = await _previewed(desk, {"total": 1})
        assert preview.outcome is Outcome.FILTERED
        assert preview.condition is not None
        assert preview.condition.condition_value is False
        assert preview.variables is not None
        assert preview.variables.variables == {"total": 1}

    at_desk(story, executor("hook", variables="args.body", condition="args.body.total > 100"))


def test_an_error_has_its_place(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        preview = await _previewed(desk, {})
        assert preview.outcome is Outcome.FAILED
        assert preview.condition is not None
        assert preview.condition.error is not None
        assert preview.condition.error.line == 2
        assert preview.variables is not None
        assert preview.variables.error is None

    at_desk(story, executor("hook", condition="true &&\n  args.body.customer.name"))


@pytest.mark.parametrize(
    ("how", "outcome"),
    [({"invoker": VISITOR}, Outcome.REJECTED), ({"disabled": True}, Outcome.SKIPPED)],
)
def test_it_says_what_else_would_be_in_the_way(at_desk: Tell, how: dict[str, object], outcome: Outcome) -> None:
    async def story(desk: Desk) -> None:
        assert (await _previewed(desk, {})).outcome is outcome

    at_desk(story, executor("hook", **how))
