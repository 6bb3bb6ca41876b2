"""Workflows as they are declared, and starts of them."""

from __future__ import annotations

from typing import Any

from hub.api.operations import Call, Operation
from hub.api.paging import DECLARED, declared, paged
from hub.api.schemas import ANY, IDEMPOTENCY_KEY, NAME, TEXT, ref
from hub.model.errors import BadInput
from hub.model.identity import MachineUser
from hub.views.executors import workflow_row, workflow_view

#: As executors name one, and as executions show it.
_MACHINE_USER = {"type": "object", "required": ["name"], "properties": {"auth_namespace": TEXT, "name": TEXT}}

_START_BODY = {
    "type": "object",
    "properties": {
        "args": {**ANY, "description": "Input of the main job; without it, {}"},
        "invoker": {
            "description": "Whom it acts as: NAME or NAMESPACE/NAME of a machine user, {auth_namespace, name}, or `anonymous`; without it, you",
            "anyOf": [
                {"type": "string", "maxLength": 200},
                _MACHINE_USER,
                {"type": "object", "required": ["machine_user"], "properties": {"machine_user": _MACHINE_USER}},
                {"type": "null"},
            ],
        },
        "idempotency_key": IDEMPOTENCY_KEY,
        "priority": {
            "type": ["integer", "null"],
            "minimum": -1000,
            "maximum": 1000,
            "description": "Higher begins first; by default its workflow's",
        },
    },
    "additionalProperties": False,
}


async def list_workflows(call: Call) -> Any:
    rows = [workflow_row(one, call.client.revision(one.name)) for one in call.client.workflows()]
    return declared("workflows", rows, call.query, "name")


async def get_workflow(call: Call) -> Any:
    client, name = call.client, call.path["name"]
    return workflow_view(client.workflow(name), client.revision(name), client.jobs_of(name))


async def start_execution(call: Call) -> Any:
    started = await call.client.start(
        call.path["name"],
        call.body.get("args"),
        invoker=_invoker(call),
        idempotency_key=call.body.get("idempotency_key"),
        priority=call.body.get("priority"),
    )
    return {"id": started.id, "status": started.status.value}


def _invoker(call: Call) -> MachineUser | None:
    given = call.body.get("invoker")
    if given is None and call.principal.kind != "machine_user":
        raise BadInput('say whom it acts as: "invoker": "MACHINE_USER", or "anonymous".')
    if isinstance(given, dict):
        given = given.get("machine_user", given)
        return call.client.invoker(given["name"], given.get("auth_namespace"))
    return call.client.invoker(given)


WORKFLOWS = (
    Operation(
        method="GET",
        path="/api/v1/workflows",
        id="listWorkflows",
        summary="The workflows, by name.",
        action="workflow:read",
        handle=list_workflows,
        query=DECLARED,
        storeless=True,
        answer=paged(ref("WorkflowRow")),
    ),
    Operation(
        method="GET",
        path="/api/v1/workflows/{name}",
        id="getWorkflow",
        summary="One workflow: its jobs, policies and input.",
        action="workflow:read",
        names="name",
        path_schemas={"name": NAME},
        handle=get_workflow,
        storeless=True,
        answer=ref("Workflow"),
    ),
    Operation(
        method="POST",
        path="/api/v1/workflows/{name}/executions",
        id="startExecution",
        summary="Start an execution.",
        action="workflow:start",
        names="name",
        path_schemas={"name": NAME},
        handle=start_execution,
        body=_START_BODY,
        status=201,
        answer=ref("Started"),
        problems={409: "The idempotency key was used for another workflow."},
    ),
)
