"""Webhooks: their addresses, and deliveries that were turned away."""

from __future__ import annotations

from typing import Any

from hub.api.operations import Call, Operation, Parameter
from hub.api.paging import PAGED, numbered, page, paged, whole
from hub.api.schemas import TEXT, ref
from hub.views import refused_view


async def list_webhooks(call: Call) -> Any:
    return whole(await call.client.webhooks())


async def list_refused(call: Call) -> Any:
    found = await call.client.refused_page(
        call.query.get("executor"), before=numbered("refused", call.query), limit=call.query["limit"]
    )
    return page("refused", found, refused_view)


WEBHOOKS = (
    Operation(
        method="GET",
        path="/api/v1/webhooks",
        id="listWebhooks",
        summary="The address of each webhook. The token in it is a secret.",
        action="webhook:address",
        handle=list_webhooks,
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
)
