"""What runs the hub, and who changed what."""

from __future__ import annotations

from typing import Any

from hub.api.operations import Call, Operation, Parameter
from hub.api.paging import PAGED, numbered, page, paged, whole
from hub.api.schemas import TEXT, TEXTS, ref
from hub.views.installation import audit_view, node_view


async def list_nodes(call: Call) -> Any:
    nodes, differences = await call.client.nodes()
    return {**whole([node_view(one) for one in nodes]), "differences": differences}


async def list_audit(call: Call) -> Any:
    found = await call.client.audit_page(
        who=call.query.get("who"),
        object=call.query.get("object"),
        before=numbered("audit", call.query),
        limit=call.query["limit"],
    )
    return page("audit", found, audit_view)


_NODES = paged(ref("Node"))
_NODES["required"].append("differences")
_NODES["properties"]["differences"] = {**TEXTS, "description": "Nodes that have loaded other definitions, in sentences"}

UPKEEP = (
    Operation(
        method="GET",
        path="/api/v1/nodes",
        id="listNodes",
        summary="The processes that serve the hub.",
        action="node:read",
        handle=list_nodes,
        answer=_NODES,
    ),
    Operation(
        method="GET",
        path="/api/v1/audit",
        id="listAudit",
        summary="Who changed what, newest first.",
        action="audit:read",
        handle=list_audit,
        query=(
            Parameter("who", TEXT, "Only what this one did: `machine-user:main-auth/ops`."),
            Parameter("object", TEXT, "Only what was done to this: `execution ID`, `executor NAME`."),
            *PAGED,
        ),
        answer=paged(ref("AuditRecord")),
    ),
)
