"""Executions: look at, resume, cancel, answer."""

from __future__ import annotations

from typing import Any

from hub.api.operations import Call, Operation, Parameter
from hub.api.paging import LIMIT, PAGED, after, moment, numbered, page, paged, whole
from hub.api.schemas import ANY, ID, IDEMPOTENCY_KEY, NUMBER, TEXT, TIME, YES_NO, one_of, ref, shape
from hub.engine.going_on import Again, Failed
from hub.engine.points import MISSING
from hub.model.execution import JobStatus, Status
from hub.model.wait import WaitState
from hub.views.executions import execution_listed, execution_view, judged_view, log_view

_FILTERS = (
    Parameter("workflow", TEXT, "Only of this workflow."),
    Parameter("status", one_of(Status), "Only in this status."),
    Parameter("executor", TEXT, "Only those that this executor started."),
    Parameter("since", TIME, "Only those made at this instant or later."),
)


async def list_executions(call: Call) -> Any:
    found = await call.client.executions_page(
        workflow=call.query.get("workflow"),
        status=call.query.get("status"),
        executor=call.query.get("executor"),
        since=moment(call.query, "since"),
        before=after("executions", call.query),
        limit=call.query["limit"],
    )
    return page("executions", found, execution_listed)


async def list_changed(call: Call) -> Any:
    return whole([judged_view(one) for one in await call.client.changed(seconds=call.seconds)])


async def get_execution(call: Call) -> Any:
    return execution_view(await call.client.execution(call.path["id"]))


async def list_logs(call: Call) -> Any:
    found = await call.client.logs_page(
        call.path["id"], after=numbered("logs", call.query) or 0, limit=call.query["limit"]
    )
    return page("logs", found, lambda one: {"number": one[0], **log_view(one[1])})


async def resume_execution(call: Call) -> Any:
    status = await call.client.resume(call.path["id"], call.body.get("args", MISSING))
    return {"id": call.path["id"], "status": status.value}


async def resume_executions(call: Call) -> Any:
    body = call.body
    found = await call.client.resumable(
        workflow=body.get("workflow"), status=Status(body.get("status", Status.FAILED)), since=moment(body, "since")
    )
    resumed = await call.client.resume_all(found[:_MOST_AT_ONCE]) if body.get("really", False) else 0
    return {"matching": len(found), "resumed": resumed}


async def fork_execution(call: Call) -> Any:
    body = call.body
    started = await call.client.fork(
        call.path["id"], body["from"], body.get("args", MISSING), idempotency_key=body.get("idempotency_key")
    )
    return {"id": started.id, "status": started.status.value}


async def settle_call(call: Call) -> Any:
    said = call.body["said"]
    what: Any = Again.AGAIN if "again" in said else Failed(said["failed"]) if "failed" in said else said["result"]
    status = await call.client.settle(call.path["id"], call.body["path"], what)
    return {"id": call.path["id"], "path": call.body["path"], "status": status.value}


async def cancel_execution(call: Call) -> Any:
    return {"id": call.path["id"], "status": (await call.client.cancel(call.path["id"])).value}


async def resolve_wait_point(call: Call) -> Any:
    execution_id, key = call.path["id"], call.path["key"]
    state = await call.client.resolve_wait_point(execution_id, key, call.body["result"])
    return {
        "execution_id": execution_id,
        "key": key,
        "state": "KEPT" if state is WaitState.WAITING else state.value,
    }


_BY_ID: dict[str, Any] = {"path_schemas": {"id": ID}}
_OTHER_ARGS = {**ANY, "description": "Another input; without it, the one that it has"}
_MOST_AT_ONCE = 1_000
_MANY_BODY = {
    "type": "object",
    "properties": {
        "workflow": {**TEXT, "description": "Only of this workflow"},
        "status": {"enum": [Status.FAILED.value, Status.PENDING_RETRY.value], "description": "Without it, FAILED"},
        "since": {**TIME, "description": "Only those that failed at this instant or later"},
        "really": {**YES_NO, "description": "Resume them"},
    },
    "additionalProperties": False,
}
_SETTLE_BODY = {
    "type": "object",
    "required": ["path", "said"],
    "properties": {
        "path": {**TEXT, "description": "Path of the call"},
        "said": {
            "description": "Its result; or that it failed, with the message; or that it is to be done again",
            "oneOf": [
                {"type": "object", "required": [name], "properties": {name: of}, "additionalProperties": False}
                for name, of in (("result", ANY), ("failed", TEXT), ("again", {"const": True}))
            ],
        },
    },
    "additionalProperties": False,
}
_NOT_NOW = {409: "It is in a status that does not allow this."}

EXECUTIONS = (
    Operation(
        method="GET",
        path="/api/v1/executions",
        id="listExecutions",
        summary="Executions, newest first, without their jobs and large results.",
        action="execution:read",
        handle=list_executions,
        query=(*_FILTERS, *PAGED),
        answer=paged(ref("ExecutionRow")),
    ),
    Operation(
        method="GET",
        path="/api/v1/executions/changed",
        id="listChangedExecutions",
        summary="Parked executions whose workflow has changed since they began, and whether they can go on. Nothing is executed.",
        action="execution:read",
        handle=list_changed,
        answer=paged(ref("ChangedExecution")),
    ),
    Operation(
        method="GET",
        path="/api/v1/executions/{id}",
        id="getExecution",
        summary="One execution with its jobs.",
        action="execution:read",
        handle=get_execution,
        answer=ref("Execution"),
        **_BY_ID,
    ),
    Operation(
        method="GET",
        path="/api/v1/executions/{id}/logs",
        id="listLogs",
        summary="The lines that its jobs wrote, oldest first.",
        action="execution:logs",
        handle=list_logs,
        query=(LIMIT, PAGED[1]),
        answer=paged(ref("LogLine")),
        **_BY_ID,
    ),
    Operation(
        method="POST",
        path="/api/v1/executions/resume",
        id="resumeExecutions",
        summary=f"Resume all that match, {_MOST_AT_ONCE} at a time; without `really` they are only counted.",
        action="execution:resume",
        handle=resume_executions,
        body=_MANY_BODY,
        answer=shape(matching=NUMBER, resumed=NUMBER),
    ),
    Operation(
        method="POST",
        path="/api/v1/executions/{id}/resume",
        id="resumeExecution",
        summary="Let a failed execution go on under its id; finished jobs do not run again.",
        action="execution:resume",
        handle=resume_execution,
        body={"type": "object", "properties": {"args": _OTHER_ARGS}, "additionalProperties": False},
        answer=ref("Started"),
        problems=_NOT_NOW,
        **_BY_ID,
    ),
    Operation(
        method="POST",
        path="/api/v1/executions/{id}/fork",
        id="forkExecution",
        summary="A new execution that has the results from before a call of this one, and goes on from there.",
        action="execution:fork",
        handle=fork_execution,
        body={
            "type": "object",
            "required": ["from"],
            "properties": {
                "from": {**TEXT, "description": "Path of the call"},
                "args": _OTHER_ARGS,
                "idempotency_key": IDEMPOTENCY_KEY,
            },
            "additionalProperties": False,
        },
        status=201,
        answer=ref("Started"),
        **_BY_ID,
    ),
    Operation(
        method="POST",
        path="/api/v1/executions/{id}/settle",
        id="settleCall",
        summary="Say what became of a call that is at most once and was interrupted.",
        action="execution:settle",
        handle=settle_call,
        body=_SETTLE_BODY,
        answer=shape(id=ID, path=TEXT, status=one_of(JobStatus)),
        problems={409: "The call does not wait for that, or the execution has ended."},
        **_BY_ID,
    ),
    Operation(
        method="POST",
        path="/api/v1/executions/{id}/cancel",
        id="cancelExecution",
        summary="End an execution: nothing of it starts any more.",
        action="execution:cancel",
        handle=cancel_execution,
        answer=ref("Started"),
        problems=_NOT_NOW,
        **_BY_ID,
    ),
    Operation(
        method="POST",
        path="/api/v1/executions/{id}/wait-points/{key}/resolve",
        id="resolveWaitPoint",
        summary="Answer a wait point, once. An answer that comes before its question is kept for it.",
        action="wait-point:resolve",
        handle=resolve_wait_point,
        path_schemas={"id": ID, "key": TEXT},
        body={"type": "object", "required": ["result"], "properties": {"result": ANY}, "additionalProperties": False},
        answer=shape(execution_id=ID, key=TEXT, state=one_of(("RESOLVED", "TIMED_OUT", "KEPT"))),
        problems={409: "It has been answered, or the execution has ended."},
    ),
)
