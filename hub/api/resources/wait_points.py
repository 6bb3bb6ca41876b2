"""Wait points: what executions ask people."""

from __future__ import annotations

from typing import Any

from hub.api.operations import Call, Operation, Parameter
from hub.api.paging import PAGED, after, page, paged
from hub.api.schemas import TEXT, YES_NO, ref
from hub.views.executions import wait_point_view

_FILTERS = (
    Parameter("execution", TEXT, "Only those of this execution."),
    Parameter("all", {**YES_NO, "default": False}, "Also those that have an answer, or timed out."),
)


async def list_wait_points(call: Call) -> Any:
    found = await call.client.wait_points_page(
        execution_id=call.query.get("execution"),
        open_only=not call.query["all"],
        before=after("wait-points", call.query),
        limit=call.query["limit"],
    )
    return page("wait-points", found, wait_point_view)


WAIT_POINTS = (
    Operation(
        method="GET",
        path="/api/v1/wait-points",
        id="listWaitPoints",
        summary="What waits for an answer, newest first.",
        action="wait-point:read",
        handle=list_wait_points,
        query=(*_FILTERS, *PAGED),
        answer=paged(ref("WaitPoint")),
    ),
)
