"""JSON Schemas of what the API takes and gives. The shapes themselves are made in `hub.views`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.engine.compatibility import Verdict
from hub.model.event import Outcome
from hub.model.execution import JobStatus, Status
from hub.model.identity import ROLES
from hub.model.wait import WaitState

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
NUMBER: Schema = {"type": "integer"}
YES_NO: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}
TEXTS: Schema = {"type": "array", "items": TEXT}
#: Any JSON value.
ANY: Schema = {}
TIME: Schema = {"type": "string", "format": "date-time", "description": "ISO 8601, UTC, with milliseconds"}
DURATION: Schema = {"type": "string", "description": "a number and one of ms, s, m, h, d"}
DURATION_OR_NULL: Schema = {**DURATION, "type": ["string", "null"]}
TIME_OR_NULL: Schema = {**TIME, "type": ["string", "null"]}

#: A name in a path. Longer or otherwise written ones are nowhere.
NAME: Schema = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$"}
ID: Schema = {"type": "string", "pattern": "^[0-9A-HJKMNP-TV-Z]{26}$", "description": "26 characters, sorted by time"}


#: A member of bodies that make something.
IDEMPOTENCY_KEY: Schema = {
    "type": ["string", "null"],
    "minLength": 1,
    "maxLength": 255,
    "description": "The same key again makes nothing, and answers with what was made",
}


def one_of(words: Any) -> Schema:
    return {"type": "string", "enum": [str(getattr(word, "value", word)) for word in words]}


def shape(**properties: Schema) -> Schema:
    """An object that has all of these members, and may have more in a later version."""
    return {"type": "object", "required": list(properties), "properties": properties}


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def ref(name: str) -> Schema:
    """One of COMPONENTS."""
    return {"$ref": f"#/components/schemas/{name}"}


_RETRY = nullable(
    shape(max_retries=NUMBER, initial_backoff=DURATION, max_backoff=DURATION, backoff_multiplier={"type": "number"})
)
_ERROR = nullable(shape(type=TEXT_OR_NULL, message=TEXT_OR_NULL, job=TEXT_OR_NULL))
_INVOKER = nullable(shape(type={"const": "machine_user"}, auth_namespace=TEXT, name=TEXT, attributes=OBJECT))
_EVALUATED = {
    **nullable(shape(value=ANY, error=TEXT_OR_NULL)),
    "description": "What the expression gives, asked alone; null: it was not asked, or the file has none",
}

_EXECUTION = shape(
    id=ID,
    workflow=TEXT,
    status=one_of(Status),
    reason=TEXT_OR_NULL,
    invoker=_INVOKER,
    args=ANY,
    result=ANY,
    error=_ERROR,
    cause=shape(executor=TEXT_OR_NULL, event_id=TEXT_OR_NULL),
    requested_by=TEXT,
    priority=NUMBER,
    forked_from=TEXT_OR_NULL,
    forked_at=TEXT_OR_NULL,
    attempts=NUMBER,
    created_at=TIME,
    started_at=TIME_OR_NULL,
    finished_at=TIME_OR_NULL,
    due_at=TIME_OR_NULL,
    revision=TEXT_OR_NULL,
)

COMPONENTS: Mapping[str, Schema] = {
    "Problem": {
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": TEXT,
            "title": TEXT,
            "status": NUMBER,
            "detail": TEXT,
            "id": {**TEXT, "description": "The hub's log says more under it. What is no proper HTTP has none"},
        },
        "description": "A problem document (RFC 9457)",
    },
    "ExecutionRow": {
        **shape(**_EXECUTION["properties"], result_left_out=YES_NO),
        "description": "An execution in a list; a result of 64 KiB or more is left out",
    },
    "Execution": {
        **shape(**_EXECUTION["properties"], jobs=array(ref("Job"))),
        "description": "An execution with its jobs",
    },
    "ChangedExecution": shape(
        execution_id=ID,
        workflow=TEXT,
        status=one_of(Status),
        began_with=TEXT_OR_NULL,
        revision=TEXT_OR_NULL,
        verdict=one_of(Verdict),
        reason=TEXT,
    ),
    "Job": shape(
        name=TEXT,
        path=TEXT,
        status=one_of(JobStatus),
        args=ANY,
        result=ANY,
        error=_ERROR,
        attempts=NUMBER,
        started_at=TIME_OR_NULL,
        finished_at=TIME_OR_NULL,
    ),
    "LogLine": shape(number=NUMBER, at=TIME, job=TEXT, level=TEXT, message=TEXT),
    "Started": shape(id=ID, status=one_of(Status)),
    "Event": shape(
        id=ID,
        source=TEXT,
        key=TEXT_OR_NULL,
        type=TEXT,
        namespace=TEXT,
        model=TEXT,
        time=TIME,
        received_at=TIME,
        payload=OBJECT,
        deliveries=array(ref("Delivery")),
    ),
    "Delivery": shape(
        id=TEXT,
        event_id=ID,
        executor=TEXT,
        outcome=one_of(Outcome),
        reason=TEXT,
        execution_id=TEXT_OR_NULL,
        evaluation=OBJECT,
        created_at=TIME,
    ),
    "Preview": shape(
        executor=NAME,
        outcome=one_of(Outcome),
        reason=TEXT,
        args=OBJECT,
        condition=_EVALUATED,
        variables=_EVALUATED,
    ),
    "Executor": shape(
        name=TEXT,
        description=TEXT,
        kind=one_of(("event", "webhook", "schedule")),
        state=one_of(("enabled", "paused", "disabled")),
        trigger=OBJECT,
        condition=TEXT_OR_NULL,
        target=TEXT_OR_NULL,
        invoker=_INVOKER,
        file=TEXT,
    ),
    "Webhook": shape(executor=TEXT, url=TEXT, disabled=YES_NO),
    "RefusedDelivery": shape(
        id=NUMBER,
        executor=TEXT,
        received_at=TIME,
        step=TEXT,
        reason=TEXT,
        method=TEXT,
        url=TEXT,
        headers=OBJECT,
        body=TEXT,
        size=NUMBER,
        whole=YES_NO,
    ),
    "Verification": shape(id=NUMBER, executor=TEXT, ok=YES_NO, steps=array(shape(step=TEXT, ok=YES_NO, detail=TEXT))),
    "WorkflowRow": shape(
        name=TEXT,
        main_job=TEXT,
        retry_policy=_RETRY,
        concurrency_policy=nullable(shape(max_concurrent_executions=NUMBER, key=TEXT_OR_NULL)),
        priority=NUMBER,
        debounce=nullable(shape(period=DURATION, key=TEXT_OR_NULL, longest=DURATION_OR_NULL)),
        rate_limit=nullable(shape(limit=NUMBER, period=DURATION, key=TEXT_OR_NULL)),
        revision=TEXT,
    ),
    "Workflow": shape(
        name=TEXT,
        main_job=TEXT,
        revision=TEXT,
        input_schema=ANY,
        output_schema=ANY,
        jobs=array(shape(name=TEXT, retry=_RETRY, timeout_ms={"type": ["integer", "null"]})),
    ),
    "WaitPoint": shape(
        execution_id=ID,
        workflow=TEXT,
        key=TEXT,
        name=TEXT,
        path=TEXT,
        state=one_of(WaitState),
        payload=ANY,
        permission=TEXT_OR_NULL,
        created_at=TIME,
        deadline=TIME_OR_NULL,
        resolved_at=TIME_OR_NULL,
        resolved_by=TEXT_OR_NULL,
        result=ANY,
    ),
    "Schedule": shape(executor=TEXT, cron=TEXT, timezone=TEXT, state=TEXT, next_fire_at=TIME_OR_NULL),
    "Slot": shape(at=TIME, outcome=TEXT_OR_NULL, reason=TEXT, event_id=TEXT_OR_NULL, recorded_at=TIME),
    "Instant": shape(at=TIME, local=TEXT, note=TEXT_OR_NULL),
    "MachineUser": shape(
        auth_namespace=TEXT,
        name=TEXT,
        client_id=TEXT,
        attributes=OBJECT,
        permissions=TEXTS,
        unused_permissions=TEXTS,
        secrets=array(shape(id=TEXT, created_at=TIME, last_used_at=nullable(TIME))),
        last_used_at=nullable(TIME),
    ),
    "MachineSecret": shape(id=TEXT, client_id=TEXT, client_secret=TEXT),
    "AccessToken": shape(access_token=TEXT, token_type={"const": "Bearer"}, expires_in=NUMBER),
    "Person": shape(name=NAME, role=one_of(ROLES), invited=YES_NO, created_at=TIME, last_sign_in_at=TIME_OR_NULL),
    "Node": shape(
        id=TEXT, host=TEXT, pid=NUMBER, started_at=TIME, lease_until=TIME, alive=YES_NO, address=TEXT, revision=TEXT
    ),
    "AuditRecord": shape(
        number=NUMBER,
        at=TIME,
        who=TEXT,
        action=TEXT,
        object=TEXT,
        result=TEXT,
        before=TEXT_OR_NULL,
        after=TEXT_OR_NULL,
        hash=TEXT,
    ),
}
