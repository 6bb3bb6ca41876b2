"""Webhooks: their addresses, and deliveries that were turned away."""

from __future__ import annotations

from typing import Any

from hub.api.operations import Call, Operation, Parameter
from hub.api.paging import DECLARED, PAGED, declared, numbered, page, paged
from hub.api.schemas import ID, NUMBER, TEXT, YES_NO, ref, shape
from hub.model.errors import NotFound
from hub.views.events import examined_view, refused_view


async def list_webhooks(call: Call) -> Any:
    return declared("webhooks", await call.client.webhooks(), call.query, "executor")


async def list_refused(call: Call) -> Any:
    found = await call.client.refused_page(
        call.query.get("executor"), before=numbered("refused", call.query), limit=call.query["limit"]
    )
    return page("refused", found, refused_view)


async def verify_refused(call: Call) -> Any:
    refused, examined = await call.client.check_refused(_number(call))
    return examined_view(refused, examined)


async def release_refused(call: Call) -> Any:
    stored = await call.client.release(_number(call))
    return {"id": _number(call), "event_id": stored.id, "duplicate": stored.duplicate}


def _number(call: Call) -> int:
    """Refused deliveries are counted. What is no number is nobody's."""
    text = call.path["id"]
    if not (text.isascii() and text.isdigit() and len(text) < 19):  # noqa: PLR2004 - fits 64 bits
        raise NotFound("refused delivery", text)
    return int(text)


_BY_NUMBER: dict[str, Any] = {"path_schemas": {"id": {"type": "integer", "minimum": 1}}}

WEBHOOKS = (
    Operation(
        method="GET",
        path="/api/v1/webhooks",
        id="listWebhooks",
        summary="The address of each webhook. The token in it is a secret.",
        action="webhook:address",
        handle=list_webhooks,
        query=DECLARED,
        answer=paged(ref("Webhook")),
    ),
    Operation(
        method="GET",
        path="/api/v1/refused-deliveries",
        id="listRefusedDeliveries",
        summary="Deliveries that were turned away, newest first, each with the step that failed.",
        action="webhook:read",
        handle=list_refused,
        query=(Parameter("executor", TEXT, "Only those of this executor."), *PAGED),
        answer=paged(ref("RefusedDelivery")),
    ),
    Operation(
        method="GET",
        path="/api/v1/refused-deliveries/{id}/verification",
        id="verifyRefusedDelivery",
        summary="Check one again, step by step, with the files and secrets as they are now. It changes nothing.",
        action="webhook:verify",
        handle=verify_refused,
        answer=ref("Verification"),
        problems={422: "It can only be looked at: it was sealed elsewhere, or its executor has no webhook now."},
        **_BY_NUMBER,
    ),
    Operation(
        method="POST",
        path="/api/v1/refused-deliveries/{id}/release",
        id="releaseRefusedDelivery",
        summary="Let one in that holds now: it becomes an event, as of when it came.",
        action="webhook:release",
        handle=release_refused,
        answer=shape(id=NUMBER, event_id=ID, duplicate=YES_NO),
        problems={
            409: "It does not hold now.",
            422: "It can only be looked at: it was sealed elsewhere, or its executor has no webhook now.",
        },
        **_BY_NUMBER,
    ),
)
