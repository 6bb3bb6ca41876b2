"""What tells a delivery from its repetition: ids of batches, ids of several places, and bodies that say how often they were sent."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit import FakeClock
from webhook_kit import call, endpoint, secret_of

from hub.store import open_store
from hub.triggers.webhook.identify import delivery_id
from hub.triggers.webhook.intake import Intake
from hub.triggers.webhook.request import RawRequest
from hub.triggers.webhook.scheme import Family, Scheme, parse_source
from hub.triggers.webhook.sign import sign

#: The same delivery as its sender makes it the first time and when it sends it again, and another one.
DELIVERIES: dict[str, tuple[Any, Any, Any]] = {
    "line": (
        {"events": [{"webhookEventId": "a", "isRedelivery": False}, {"webhookEventId": "b"}]},
        {"events": [{"webhookEventId": "a", "isRedelivery": True}, {"webhookEventId": "b"}]},
        {"events": [{"webhookEventId": "a", "isRedelivery": False}, {"webhookEventId": "c"}]},
    ),
    "hubspot": (
        [{"eventId": 1, "occurredAt": 7, "attemptNumber": 0}],
        [{"eventId": 1, "occurredAt": 7, "attemptNumber": 1}],
        [{"eventId": 1, "occurredAt": 8, "attemptNumber": 0}],
    ),
    "docusign": (
        {"event": "sent", "data": {"envelopeId": "e"}, "generatedDateTime": "x", "retryCount": 0},
        {"event": "sent", "data": {"envelopeId": "e"}, "generatedDateTime": "x", "retryCount": 1},
        {"event": "completed", "data": {"envelopeId": "e"}, "generatedDateTime": "x", "retryCount": 0},
    ),
    "notion": ({"id": "a", "attempt_number": 1}, {"id": "a", "attempt_number": 2}, {"id": "b", "attempt_number": 1}),
    "intercom": ({"id": "a", "delivery_attempts": 1}, {"id": "a", "delivery_attempts": 2}, {"id": "b"}),
    "mux": ({"id": "a", "attempts": []}, {"id": "a", "attempts": [{"response_status_code": 500}]}, {"id": "b"}),
    "paddle": ({"event_id": "a", "notification_id": "n"}, {"event_id": "a", "notification_id": "m"}, {"event_id": "b"}),
    "stripe": ({"id": "a", "pending_webhooks": 1}, {"id": "a", "pending_webhooks": 0}, {"id": "b"}),
    "adyen-header": ({"data": 1}, {"data": 1}, {"data": 2}),
    "twitter": ({"tweet_create_events": [1]}, {"tweet_create_events": [1]}, {"tweet_create_events": [2]}),
}


@pytest.mark.parametrize("name", sorted(DELIVERIES))
def test_a_delivery_that_is_sent_again_runs_once_and_another_one_runs(name: str, store_url: str) -> None:
    made = endpoint({"preset": name, "secret": secret_of(name)})

    async def story() -> tuple[list[int], list[str]]:
        clock = FakeClock()
        store = open_store(store_url, clock)
        try:
            intake = Intake(store, clock, endpoints={made.name: made})
            replies = [await send(intake, clock.now(), json.dumps(value).encode()) for value in DELIVERIES[name]]
            return [status for status, _ in replies], [json.loads(body)["event_id"] for _, body in replies]
        finally:
            await store.close()

    async def send(intake: Intake, now: int, body: bytes) -> tuple[int, bytes]:
        signed = sign(made, body, now)
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/webhooks/erp-push",
            "query_string": b"",
            "headers": [(key.encode(), value.encode()) for key, value in signed.headers.items()],
            "client": ("192.0.2.7", 4711),
        }
        reply = await call(intake, scope, [{"type": "http.request", "body": signed.body, "more_body": False}])
        return reply.status, reply.body

    statuses, events = asyncio.run(story())
    assert statuses == [202, 202, 202]
    assert events[0] == events[1] != events[2]


def key(body: Any, *places: str, joined: bool = False) -> str | None:
    sources = tuple(source for place in places if (source := parse_source(place)) is not None)
    scheme = Scheme("none", (Family((), id=sources),), id_joined=joined)
    return delivery_id(scheme, RawRequest("POST", "/hook?q=Q&e=&two=2&two=2&odd=%C3%A9", [(b"x-a", b"A")], b""), body)


@pytest.mark.parametrize(
    ("body", "places", "joined", "found"),
    [
        ([{"id": 1}, {"id": "b"}], ["json:*.id"], False, "1,b"),
        ([{"id": 1}, {}], ["json:*.id"], False, None),
        ([{"id": 1}, None], ["json:*.id", "header:X-A"], False, "A"),
        ([], ["json:*.id"], False, None),
        ({"*": {"id": 1}}, ["json:*.id"], False, None),
        ({"a": [[{"id": 1}], [{"id": 2}, {"id": 3}]]}, ["json:a.*.*.id"], False, "1,2,3"),
        ([1, 2], ["json:*"], False, "1,2"),
        ({"a": 1, "b": 2}, ["json:a", "json:b"], False, "1"),
        ({"a": 1, "b": 2}, ["json:a", "json:b"], True, "1 2"),
        ({"a": 1}, ["json:a", "json:b"], True, None),
        ({"a": 1}, ["json:a", "header:X-A"], True, "1 A"),
        ({}, [], True, None),
        ({}, ["query:q"], False, "Q"),
        ({}, ["query:e", "query:odd"], False, "\xe9"),
        ({}, ["query:none"], False, None),
        ({}, ["query:two"], False, "2"),
        ({"a": 1}, ["json:a", "query:q"], True, "1 Q"),
    ],
)
def test_ids_are_read_from_every_item_and_joined(body: Any, places: list[str], joined: bool, found: str | None) -> None:
    assert key(body, *places, joined=joined) == found


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab*"), inner, max_size=3),
    max_leaves=10,
)


@given(TREES, st.lists(st.sampled_from(["a", "b", "*", "0"]), min_size=1, max_size=4))
def test_any_path_through_any_body_is_a_text_or_nothing(body: Any, path: list[str]) -> None:
    found = key(body, "json:" + ".".join(path))
    assert found is None or found


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5))
def test_a_batch_is_named_by_all_of_its_items_in_their_order(ids: list[int]) -> None:
    assert key([{"id": one} for one in ids], "json:*.id") == ",".join(map(str, ids))
