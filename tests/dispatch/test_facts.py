"""What expressions see, trigger by trigger: the tables of the public surface, read through the real evaluator."""

from __future__ import annotations

from typing import Any

import pytest
from dispatch_desk import CREATED, NIGHTLY, Desk, Tell, executor, row, slot, webhook
from kit import NOON

from hub.model.clock import iso
from hub.model.event import NewEvent
from hub.model.executor import EventTrigger, Trigger

EVERYTHING = "({ args, context, env })"
ORDER = {"id": 7, "total": 120.5, "note": None}
DAY = 86_400_000


def seen(at_desk: Tell, trigger: Trigger, event: NewEvent) -> Any:
    """All that an expression sees of an event; the event's id apart."""

    async def story(desk: Desk) -> Any:
        (record,) = [await desk.started(one) for one in (await desk.happens(event))[0]]
        assert record.args["context"]["event"].pop("id") == record.event_id
        return record.args

    name = event.executors[0] if event.executors else "watcher"
    return at_desk(story, executor(name, trigger, EVERYTHING), env={"region": "eu"})


def test_a_created_row(at_desk: Tell) -> None:
    assert seen(at_desk, CREATED, row("record.created", ORDER)) == {
        "args": {
            "event": "created",
            "rawEvent": "record.created",
            "namespace": "shop",
            "model": "orders",
            "typeName": "orders",
            "newRecord": ORDER,
            "oldRecord": None,
            "changed": [],
            "actor": None,
        },
        "context": {
            "event": {
                "type": "record.created",
                "namespace": "shop",
                "model": "orders",
                "time": iso(NOON),
                "data": ORDER,
                "old": None,
            }
        },
        "env": {"region": "eu"},
    }


def test_an_updated_row(at_desk: Tell) -> None:
    old = {**ORDER, "total": 1}
    whole = seen(
        at_desk,
        EventTrigger("shop", ("record.updated",), "orders"),
        row("record.updated", ORDER, old, changed=["total"]),
    )
    assert whole["args"]["event"] == "updated"
    assert (whole["args"]["newRecord"], whole["args"]["oldRecord"]) == (ORDER, old)
    assert whole["args"]["changed"] == ["total"]
    assert (whole["context"]["event"]["data"], whole["context"]["event"]["old"]) == (ORDER, old)


def test_a_deleted_row(at_desk: Tell) -> None:
    whole = seen(at_desk, EventTrigger("shop", ("record.deleted",), "orders"), row("record.deleted", None, ORDER))
    assert (whole["args"]["newRecord"], whole["args"]["oldRecord"]) == (None, ORDER)
    assert whole["context"]["event"]["data"] == ORDER, "the old one for a deletion"
    assert whole["context"]["event"]["old"] == ORDER


def test_a_webhook(at_desk: Tell) -> None:
    event = webhook(
        "hook",
        b'{"b": [1, 2.5], "a": "\\u00e9"}',
        type="pull_request.opened",
        headers={"x-many": ["1", "2"], "content-type": "application/json"},
        query={"page": "2"},
    )
    assert seen(at_desk, executor("hook").trigger, event) == {
        "args": {
            "body": {"b": [1, 2.5], "a": "é"},
            "rawBody": '{"b": [1, 2.5], "a": "\\u00e9"}',
            "headers": {"x-many": ["1", "2"], "content-type": "application/json"},
            "method": "POST",
            "query": {"page": "2"},
        },
        "context": {
            "event": {
                "type": "pull_request.opened",
                "namespace": "",
                "model": "",
                "time": iso(NOON),
                "data": {"b": [1, 2.5], "a": "é"},
                "old": None,
            }
        },
        "env": {"region": "eu"},
    }


@pytest.mark.parametrize(
    ("raw", "payload", "body", "text"),
    [
        (b"name=axe&n=1", {"body": {"name": "axe", "n": "1"}}, {"name": "axe", "n": "1"}, "name=axe&n=1"),
        (b"just text", {"body": "just text"}, "just text", "just text"),
        (b"", {"body": None}, None, ""),
        (b"\xff\xfe", {"body": "x"}, "x", "��"),
        (b"null", {}, None, "null"),
        (b"false", {}, False, "false"),
    ],
)
def test_bodies_of_other_kinds(at_desk: Tell, raw: bytes, payload: dict[str, Any], body: Any, text: str) -> None:
    whole = seen(at_desk, executor("hook").trigger, webhook("hook", raw, **payload))
    assert whole["args"]["body"] == whole["context"]["event"]["data"] == body
    assert whole["args"]["rawBody"] == text


def test_a_webhook_by_get_has_no_body(at_desk: Tell) -> None:
    event = NewEvent("webhook:hook", None, "webhook", NOON, {"method": "GET", "query": {"a": "1"}}, executors=("hook",))
    whole = seen(at_desk, executor("hook").trigger, event)
    assert whole["args"] == {"body": None, "rawBody": "", "headers": {}, "method": "GET", "query": {"a": "1"}}


def test_a_slot(at_desk: Tell) -> None:
    assert seen(at_desk, NIGHTLY, slot("nightly", NOON)) == {
        "args": {"scheduledTime": iso(NOON), "previousTime": iso(NOON - DAY), "nextTime": iso(NOON + DAY)},
        "context": {
            "event": {
                "type": "schedule",
                "namespace": "",
                "model": "",
                "time": iso(NOON),
                "data": {"scheduledTime": iso(NOON)},
                "old": None,
            }
        },
        "env": {"region": "eu"},
    }


def test_the_lines_of_the_public_surface_work_as_they_stand(at_desk: Tell) -> None:
    async def story(desk: Desk) -> None:
        (created,), (hooked,), (fired,) = await desk.happens(
            row("record.created", {"id": 7}), webhook("hook", {"a": [1]}), slot("nightly", NOON)
        )
        assert (await desk.started(created)).args == {"orderId": 7}
        assert (await desk.started(hooked)).args == {"a": [1]}
        assert (await desk.started(fired)).args == {"date": iso(NOON)}

    at_desk(
        story,
        executor("watcher", CREATED, "({ orderId: context.event.data.id })"),
        executor("hook", variables="JSON.stringify(args.body)"),
        executor("nightly", NIGHTLY, "({ date: (new Date()).toISOString() })"),
    )
