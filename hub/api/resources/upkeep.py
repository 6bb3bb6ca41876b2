"""What runs the hub, who may use it, and who changed what."""

from __future__ import annotations

from typing import Any

from hub.api.operations import Call, Operation, Parameter
from hub.api.paging import PAGED, numbered, page, paged, whole
from hub.api.schemas import TEXT, ref
from hub.views import audit_view, machine_user_view, node_view


async def list_machine_users(call: Call) -> Any:
    return whole([machine_user_view(one) for one in await call.client.machine_users()])


async def list_nodes(call: Call) -> Any:
    return whole([node_view(one) for one in await call.client.nodes()])


async def list_audit(call: Call) -> Any:
    found = await call.client.audit_page(
        who=call.query.get("who"),
        object=call.query.get("object"),
        before=numbered("audit", call.query),
        limit=call.query["limit"],
    )
    return page("audit", found, audit_view)


UPKEEP = (
    Operation(
        method="GET",
        path="/api/v1/machine-users",
        id="listMachineUsers",
        summary="The machine users and their permissions.",
        action="machine-user:read",
        handle=list_machine_users,
        answer=paged(ref("MachineUser")),
    ),
    Operation(
        method="GET",
        path="/api/v1/nodes",
        id="listNodes",
        summary="The processes that serve the hub.",
        action="node:read",
        handle=list_nodes,
        answer=paged(ref("Node")),
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
