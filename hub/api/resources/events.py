"""Events: what was noticed, what became of it, and again."""

from __future__ import annotations

from typing import Any

from hub.api.operations import Call, Operation, Parameter
from hub.api.paging import PAGED, after, moment, page, paged, whole
from hub.api.schemas import ID, IDEMPOTENCY_KEY, NAME, TEXT, TIME, array, one_of, ref
from hub.model.event import Outcome
from hub.views.events import delivery_view, event_view

_FILTERS = (
    Parameter("executor", TEXT, "Only those that this executor met."),
    Parameter("outcome", one_of(Outcome), "Only with a delivery that ended so."),
    Parameter("since", TIME, "Only those that came at this instant or later."),
)


async def list_events(call: Call) -> Any:
    found = await call.client.events_page(
        executor=call.query.get("executor"),
        outcome=call.query.get("outcome"),
        since=moment(call.query, "since"),
        before=after("events", call.query),
        limit=call.query["limit"],
    )
    return page("events", found, lambda one: event_view(*one))


async def get_event(call: Call) -> Any:
    return event_view(*await call.client.event(call.path["id"]))


async def replay_event(call: Call) -> Any:
    deliveries = await call.client.replay(
        call.path["id"], call.body.get("executors") or None, idempotency_key=call.body.get("idempotency_key")
    )
    return whole([delivery_view(one) for one in deliveries])


EVENTS = (
    Operation(
        method="GET",
        path="/api/v1/events",
        id="listEvents",
        summary="Events, newest first, each with its deliveries.",
        action="event:read",
        handle=list_events,
        query=(*_FILTERS, *PAGED),
        answer=paged(ref("Event")),
    ),
    Operation(
        method="GET",
        path="/api/v1/events/{id}",
        id="getEvent",
        summary="One event and each delivery with its outcome.",
        action="event:read",
        path_schemas={"id": ID},
        handle=get_event,
        answer=ref("Event"),
    ),
    Operation(
        method="POST",
        path="/api/v1/events/{id}/replay",
        id="replayEvent",
        summary="Hold an event against its executors again, as the files are now.",
        action="event:replay",
        path_schemas={"id": ID},
        handle=replay_event,
        body={
            "type": "object",
            "properties": {
                "executors": {**array(NAME), "description": "Only at these"},
                "idempotency_key": IDEMPOTENCY_KEY,
            },
            "additionalProperties": False,
        },
        answer=paged(ref("Delivery")),
    ),
)
