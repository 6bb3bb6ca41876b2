"""Executors: what listens to what, events by hand, what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.api.operations import Call, Operation
from hub.api.paging import DECLARED, PAGED, after, declared, page, paged
from hub.api.schemas import ANY, ID, IDEMPOTENCY_KEY, NAME, TEXT, ref
from hub.model.errors import BadInput, NotFound
from hub.views.events import delivery_view, event_view
from hub.views.executions import execution_view
from hub.views.executors import executor_view
from hub.views.previews import preview_view

_GIVEN: Mapping[str, Any] = {
    "data": {
        **ANY,
        "description": "The body of a webhook; the new record, or {newRecord, oldRecord}; {scheduledTime} of a schedule",
    },
    "headers": {"type": "object", "additionalProperties": TEXT, "description": "Headers of a webhook"},
}
_TRIGGER_BODY = {
    "type": "object",
    "properties": {**_GIVEN, "idempotency_key": IDEMPOTENCY_KEY},
    "additionalProperties": False,
}
_PREVIEW_BODY = {
    "type": "object",
    "properties": {**_GIVEN, "event_id": {**ID, "description": "A stored event, in place of data and headers"}},
    "additionalProperties": False,
}


async def list_executors(call: Call) -> Any:
    client, paused = call.client, await call.client.paused()
    rows = [
        executor_view(one, paused=one.name in paused, invoker=client.invoker_of(one.name)) for one in client.executors()
    ]
    return declared("executors", rows, call.query, "name")


async def get_executor(call: Call) -> Any:
    executor = call.client.executor(call.path["name"])
    paused = executor.name in await call.client.paused()
    return executor_view(executor, paused=paused, invoker=call.client.invoker_of(executor.name))


async def trigger_executor(call: Call) -> Any:
    body = call.body
    found = await call.client.trigger_and_see(
        call.path["name"], body.get("data"), body.get("headers"), idempotency_key=body.get("idempotency_key")
    )
    return event_view(*found)


async def preview_executor(call: Call) -> Any:
    name, body = call.path["name"], call.body
    if "event_id" in body and len(body) > 1:
        raise BadInput("event_id is a stored event, which has its own data and headers: leave one of both out.")
    found = await call.client.preview(name, body.get("event_id"), body.get("data"), body.get("headers"))
    return preview_view(found, name)


async def pause_executor(call: Call) -> Any:
    await call.client.pause_executor(call.path["name"], paused=True)
    return {"name": call.path["name"], "state": "paused"}


async def resume_executor(call: Call) -> Any:
    await call.client.pause_executor(call.path["name"], paused=False)
    return {"name": call.path["name"], "state": "enabled"}


async def list_deliveries(call: Call) -> Any:
    found = await call.client.deliveries_page(
        call.path["name"], before=after("deliveries", call.query), limit=call.query["limit"]
    )
    return page("deliveries", found, delivery_view)


async def get_delivery(call: Call) -> Any:
    delivery = await call.client.delivery(call.path["id"])
    if delivery.executor != call.path["name"]:
        raise NotFound("delivery", call.path["id"])
    view: dict[str, Any] = delivery_view(delivery)
    if delivery.execution_id is not None and call.client.may("execution:read", None):
        view["execution"] = execution_view(await call.client.execution(delivery.execution_id))
    return view


_STATE = {
    "type": "object",
    "required": ["name", "state"],
    "properties": {"name": NAME, "state": {"enum": ["paused", "enabled"]}},
}
_BY_NAME: dict[str, Any] = {"names": "name", "path_schemas": {"name": NAME}}

EXECUTORS = (
    Operation(
        method="GET",
        path="/api/v1/executors",
        id="listExecutors",
        summary="The executors, by name.",
        action="executor:read",
        handle=list_executors,
        query=DECLARED,
        answer=paged(ref("Executor")),
    ),
    Operation(
        method="GET",
        path="/api/v1/executors/{name}",
        id="getExecutor",
        summary="One executor.",
        action="executor:read",
        handle=get_executor,
        answer=ref("Executor"),
        **_BY_NAME,
    ),
    Operation(
        method="POST",
        path="/api/v1/executors/{name}/trigger",
        id="triggerExecutor",
        summary="Give an executor an event by hand, as its trigger would.",
        action="executor:trigger",
        handle=trigger_executor,
        body=_TRIGGER_BODY,
        status=201,
        answer=ref("Event"),
        **_BY_NAME,
    ),
    Operation(
        method="POST",
        path="/api/v1/executors/{name}/preview",
        id="previewExecutor",
        summary="What would become of an event: its outcome, and what condition and variables give. Nothing is stored or started.",
        action="executor:read",
        handle=preview_executor,
        body=_PREVIEW_BODY,
        answer=ref("Preview"),
        **_BY_NAME,
    ),
    Operation(
        method="POST",
        path="/api/v1/executors/{name}/pause",
        id="pauseExecutor",
        summary="Let its events come in and start nothing.",
        action="executor:pause",
        handle=pause_executor,
        answer=_STATE,
        **_BY_NAME,
    ),
    Operation(
        method="POST",
        path="/api/v1/executors/{name}/resume",
        id="resumeExecutor",
        summary="Let a paused executor go on.",
        action="executor:pause",
        handle=resume_executor,
        answer=_STATE,
        **_BY_NAME,
    ),
    Operation(
        method="GET",
        path="/api/v1/executors/{name}/deliveries",
        id="listDeliveries",
        summary="What became of the events that it met, newest first.",
        action="executor:read",
        handle=list_deliveries,
        query=PAGED,
        answer=paged(ref("Delivery")),
        **_BY_NAME,
    ),
    Operation(
        method="GET",
        path="/api/v1/executors/{name}/deliveries/{id}",
        id="getDelivery",
        summary="One delivery; with its execution, if you may see that.",
        action="executor:read",
        handle=get_delivery,
        answer=ref("Delivery"),
        names="name",
        path_schemas={"name": NAME, "id": TEXT},
    ),
)
