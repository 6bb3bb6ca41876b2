"""Which executors an event concerns, and what keeps one of them from acting: a pure decision."""

from __future__ import annotations

from dispatch_desk import NIGHTLY, executor, row, slot, webhook
from hypothesis import given
from hypothesis import strategies as some
from kit import NOON

from hub.dispatch.match import Bindings
from hub.model.event import Event, NewEvent, Outcome
from hub.model.executor import RECORD_EVENTS, EventTrigger, RecordEvent, WebhookTrigger

NAMES = ["shop", "crm"]
MODELS = ["orders", "customers"]


def stored(event: NewEvent) -> Event:
    return Event(
        "01E",
        event.source,
        event.key,
        event.type,
        event.time,
        NOON,
        event.payload,
        event.namespace,
        event.model,
        event.body,
        event.executors,
    )


@given(
    watches=some.lists(
        some.tuples(
            some.sampled_from(NAMES),
            some.lists(some.sampled_from(RECORD_EVENTS), min_size=1, unique=True),
            some.sampled_from(MODELS),
        ),
        max_size=6,
    ),
    namespace=some.sampled_from(NAMES),
    kind=some.sampled_from(RECORD_EVENTS),
    model=some.sampled_from(MODELS),
)
def test_a_row_concerns_those_who_watch_its_namespace_kind_and_table(
    watches: list[tuple[str, list[RecordEvent], str]], namespace: str, kind: RecordEvent, model: str
) -> None:
    executors = [
        executor(f"number-{number}", EventTrigger(space, tuple(kinds), table))
        for number, (space, kinds, table) in enumerate(watches)
    ]
    event = stored(NewEvent("record:x", None, kind, NOON, {}, namespace=namespace, model=model))
    expected = {
        f"number-{number}"
        for number, (space, kinds, table) in enumerate(watches)
        if space == namespace and kind in kinds and table == model
    }
    found = Bindings(executors).concerned(event)
    assert set(found) == expected
    assert len(found) == len(expected)


def test_a_webhook_and_a_slot_concern_the_one_that_they_were_stored_for() -> None:
    bindings = Bindings([executor("hook"), executor("other"), executor("nightly", NIGHTLY)])
    assert bindings.concerned(stored(webhook("hook"))) == ["hook"]
    assert bindings.concerned(stored(slot("nightly", NOON))) == ["nightly"]
    assert bindings.concerned(stored(webhook("gone"))) == ["gone"], "so that it is recorded"
    assert bindings.concerned(stored(row("record.created", {}))) == []


def held(given: Bindings, event: NewEvent, name: str = "hook", paused: tuple[str, ...] = ()) -> Outcome | None:
    found = given.held_back(name, stored(event), paused)
    if found is None:
        return None
    assert found[1].endswith("."), "a reason is a sentence"
    return found[0]


def test_what_holds_an_executor_back_and_in_which_order() -> None:
    event = webhook("hook")
    assert held(Bindings([executor("hook")]), event) is None
    assert held(Bindings([executor("hook")]), event, paused=("hook",)) is Outcome.PAUSED
    assert held(Bindings([executor("hook")]), event, paused=("other",)) is None
    assert held(Bindings([executor("hook", disabled=True)]), event) is Outcome.SKIPPED
    assert held(Bindings([executor("hook", disabled=True)]), event, paused=("hook",)) is Outcome.SKIPPED
    assert held(Bindings([]), event) is Outcome.FAILED


def test_names_of_events_are_matched_by_globs() -> None:
    bindings = Bindings([executor("hook", WebhookTrigger(events=("push", "pull_request.*")))])
    for name in ("push", "pull_request.opened", "pull_request.closed"):
        assert held(bindings, webhook("hook", type=name)) is None
    for name in ("ping", "pushed", "pull_requests.opened", "webhook", ""):
        assert held(bindings, webhook("hook", type=name)) is Outcome.FILTERED


def test_an_event_given_by_hand_is_not_filtered_by_its_name() -> None:
    bindings = Bindings([executor("hook", WebhookTrigger(events=("push",)))])
    by_hand = NewEvent("manual:hook", None, "webhook", NOON, {}, body=b"", executors=("hook",))
    assert held(bindings, by_hand) is None
    assert held(bindings, by_hand, paused=("hook",)) is Outcome.PAUSED
