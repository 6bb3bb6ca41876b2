"""Schedules: when they are due, and what became of their slots."""

from __future__ import annotations

from typing import Any

from hub.api.operations import Call, Operation, Parameter
from hub.api.paging import DECLARED, PAGED, declared, moment, numbered, page, paged, whole
from hub.api.schemas import NAME, TIME, ref
from hub.views.executors import instant_view, schedule_view, slot_view

_COUNT = Parameter(
    "count", {"type": "integer", "minimum": 1, "maximum": 1_000, "default": 10}, "How many of them at most."
)
_AFTER = Parameter(
    "after", TIME, "Only those behind this instant, such as the last one of the answer before; now when left out."
)


async def list_schedules(call: Call) -> Any:
    paused, found = await call.client.schedules()
    rows = [schedule_view(one, due, paused=one.name in paused) for one, due in found]
    return declared("schedules", rows, call.query, "executor")


async def next_slots(call: Call) -> Any:
    found = call.client.next_slots(call.path["name"], call.query["count"], moment(call.query, "after"))
    return whole([instant_view(one) for one in found])


async def list_slots(call: Call) -> Any:
    found = await call.client.slots_page(
        call.path["name"], before=numbered("slots", call.query), limit=call.query["limit"]
    )
    return page("slots", found, slot_view)


SCHEDULES = (
    Operation(
        method="GET",
        path="/api/v1/schedules",
        id="listSchedules",
        summary="The schedules, each with when it is next due.",
        action="schedule:read",
        handle=list_schedules,
        query=DECLARED,
        answer=paged(ref("Schedule")),
    ),
    Operation(
        method="GET",
        path="/api/v1/schedules/{name}/next",
        id="nextSlots",
        summary="The next instants of a schedule, with what clock changes do to them.",
        action="schedule:read",
        names="name",
        path_schemas={"name": NAME},
        handle=next_slots,
        storeless=True,
        query=(_COUNT, _AFTER),
        answer=paged(ref("Instant")),
        problems={422: "The executor has no schedule."},
    ),
    Operation(
        method="GET",
        path="/api/v1/schedules/{name}/slots",
        id="listSlots",
        summary="Every due moment that there was and what became of it, newest first.",
        action="schedule:read",
        names="name",
        path_schemas={"name": NAME},
        handle=list_slots,
        query=PAGED,
        answer=paged(ref("Slot")),
        problems={422: "The executor has no schedule."},
    ),
)
