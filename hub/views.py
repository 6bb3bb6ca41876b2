"""The JSON shapes that faces show: one place, so that API and command line never differ."""

from __future__ import annotations

import json
from typing import Any

from hub.engine.authoring import Job, Workflow
from hub.engine.compatibility import Judged
from hub.engine.policies import ConcurrencyPolicy, Debounce, RateLimit, RetryPolicy
from hub.model.audit import AuditRecord
from hub.model.books import Books
from hub.model.clock import iso, iso_or_none
from hub.model.event import Delivery, Event
from hub.model.execution import Checkpoint, ExecutionRecord, LogLine
from hub.model.executor import EventTrigger, Executor, ScheduleTrigger, WebhookTrigger
from hub.model.identity import MachineUser
from hub.model.people import MachineUserState, Person
from hub.model.wait import WaitRecord
from hub.store.refused import RefusedDelivery
from hub.targets.target import aim
from hub.triggers.schedule.upcoming import Instant
from hub.triggers.webhook.examine import Examined


def execution_view(record: ExecutionRecord) -> dict[str, Any]:
    """An execution with its jobs."""
    return {**execution_row(record), "jobs": [job_view(call) for call in record.jobs]}


def execution_listed(record: ExecutionRecord) -> dict[str, Any]:
    """An execution in a list: a large result is left out, and it says so."""
    return {**execution_row(record), "result_left_out": record.result_left_out}


def execution_row(record: ExecutionRecord) -> dict[str, Any]:
    """An execution without its jobs."""
    return {
        "id": record.id,
        "workflow": record.workflow,
        "status": record.status.value,
        "reason": record.reason,
        "invoker": record.invoker,
        "args": record.args,
        "result": record.result,
        "error": _error(record.error),
        "cause": {"executor": record.executor, "event_id": record.event_id},
        "requested_by": record.requested_by,
        "priority": record.priority,
        "forked_from": record.forked_from,
        "forked_at": record.forked_at,
        "attempts": record.attempts,
        "created_at": iso(record.created_at),
        "started_at": iso_or_none(record.started_at),
        "finished_at": iso_or_none(record.finished_at),
        "due_at": iso_or_none(record.due_at),
        "revision": record.revision,
    }


def job_view(call: Checkpoint) -> dict[str, Any]:
    """One call of a job."""
    return {
        "name": call.name,
        "path": call.path,
        "status": call.status.value,
        "args": json.loads(call.args),
        "result": None if call.result is None else json.loads(call.result),
        "error": None if call.error is None else _error(json.loads(call.error)),
        "attempts": call.attempts,
        "started_at": iso_or_none(call.started_at or None),
        "finished_at": iso_or_none(call.finished_at),
    }


def wait_point_view(wait: WaitRecord) -> dict[str, Any]:
    """A question that an execution asks, and its answer."""
    return {
        "execution_id": wait.execution_id,
        "workflow": wait.workflow,
        "key": wait.key,
        "name": wait.name,
        "path": wait.path,
        "state": wait.state.value,
        "payload": wait.payload,
        "permission": wait.permission,
        "created_at": iso(wait.created_at),
        "deadline": iso_or_none(wait.deadline),
        "resolved_at": iso_or_none(wait.resolved_at),
        "resolved_by": wait.resolved_by,
        "result": wait.result,
    }


def books_view(books: Books) -> dict[str, Any]:
    """What was accepted, what has become of it, and what does not add up."""
    return {
        "ok": books.ok,
        "served": books.served,
        "events": books.events,
        "executions": dict(sorted(books.executions.items())),
        "accepted": sum(books.executions.values()),
        "findings": [{"kind": one.kind, "object": one.object, "reason": one.reason} for one in books.findings],
    }


def audit_view(record: AuditRecord) -> dict[str, Any]:
    """One change: who, what, from, to, result."""
    return {
        "number": record.number,
        "at": iso(record.at),
        "who": record.who,
        "action": record.action,
        "object": record.object,
        "before": record.before,
        "after": record.after,
        "result": record.result,
        "hash": record.hash,
    }


def judged_view(judged: Judged) -> dict[str, Any]:
    """An execution whose workflow has changed, and whether it can go on."""
    return {
        "execution_id": judged.execution_id,
        "workflow": judged.workflow,
        "status": judged.status.value,
        "began_with": judged.began_with,
        "revision": judged.revision,
        "verdict": judged.verdict.value,
        "reason": judged.reason,
    }


def machine_user_view(state: MachineUserState) -> dict[str, Any]:
    """A machine user; secrets without the secrets."""
    return {
        "name": state.user.name,
        "auth_namespace": state.user.auth_namespace,
        "client_id": state.client_id,
        "attributes": dict(state.user.attributes),
        "permissions": list(state.user.permissions),
        "unused_permissions": list(state.unused),
        "secrets": [
            {"id": one.id, "created_at": iso(one.created_at), "last_used_at": iso_or_none(one.last_used_at)}
            for one in state.secrets
        ],
        "last_used_at": iso_or_none(state.last_used_at),
    }


def person_view(person: Person) -> dict[str, Any]:
    """Somebody who may sign in to the console."""
    return {
        "name": person.name,
        "role": person.role,
        "invited": person.invited,
        "created_at": iso(person.created_at),
        "last_sign_in_at": iso_or_none(person.last_sign_in_at),
    }


def log_view(line: LogLine) -> dict[str, Any]:
    return {"at": iso(line.at), "job": line.path, "level": line.level, "message": line.message}


def event_view(event: Event, deliveries: list[Delivery]) -> dict[str, Any]:
    """An event with what became of it."""
    shown = {key: value for key, value in event.payload.items() if key not in ("body", "proof")}
    body = event.payload.get("body") if "body" in event.payload else _body(event.body)
    return {
        "id": event.id,
        "source": event.source,
        "key": event.key,
        "type": event.type,
        "namespace": event.namespace,
        "model": event.model,
        "time": iso(event.time),
        "received_at": iso(event.received_at),
        "payload": shown if body is None else {**shown, "body": body},
        "deliveries": [delivery_view(delivery) for delivery in deliveries],
    }


def delivery_view(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "event_id": delivery.event_id,
        "executor": delivery.executor,
        "outcome": delivery.outcome.value,
        "reason": delivery.reason,
        "execution_id": delivery.execution_id,
        "evaluation": delivery.evaluation,
        "created_at": iso(delivery.created_at),
    }


def executor_view(executor: Executor, *, paused: bool, invoker: MachineUser | None) -> dict[str, Any]:
    """An executor: kind, what it listens to, what it starts, and where it is written."""
    return {
        "name": executor.name,
        "description": executor.description,
        "kind": executor.kind,
        "state": state_of(executor, paused=paused),
        "trigger": _trigger(executor),
        "condition": executor.condition,
        "target": aim(executor).workflow,
        "invoker": None if invoker is None else invoker.as_json(),
        "file": str(executor.at()),
    }


def state_of(executor: Executor, *, paused: bool) -> str:
    """In a word."""
    return "disabled" if executor.disabled else "paused" if paused else "enabled"


def workflow_row(workflow: Workflow[Any, Any], revision: str) -> dict[str, Any]:
    return {
        "name": workflow.name,
        "main_job": workflow.main_job.name,
        "retry_policy": _policy(workflow.retry_policy),
        "concurrency_policy": _policy(workflow.concurrency_policy),
        "priority": workflow.priority,
        "debounce": _policy(workflow.debounce),
        "rate_limit": _policy(workflow.rate_limit),
        "revision": revision,
    }


def workflow_view(workflow: Workflow[Any, Any], revision: str, jobs: list[Job[Any, Any]]) -> dict[str, Any]:
    """A workflow with its jobs and the schema of its input."""
    return {
        **workflow_row(workflow, revision),
        "input_schema": workflow.main_job.input.schema(),
        "output_schema": workflow.main_job.output.schema(),
        "jobs": [{"name": job.name, "retry": _policy(job.retry), "timeout_ms": job.timeout} for job in jobs],
    }


def _policy(policy: RetryPolicy | ConcurrencyPolicy | Debounce | RateLimit | None) -> dict[str, Any] | None:
    return None if policy is None else policy.as_json()


def refused_view(one: RefusedDelivery) -> dict[str, Any]:
    """A delivery that was turned away; its credentials are redacted."""
    return {
        "id": one.id,
        "executor": one.executor,
        "received_at": iso(one.received_at),
        "step": one.step,
        "reason": one.reason,
        "method": one.method,
        "url": one.url,
        "headers": one.headers,
        "body": one.body.decode("utf-8", "replace"),
        "size": one.size,
        "whole": one.whole,
    }


def examined_view(one: RefusedDelivery, examined: Examined) -> dict[str, Any]:
    """Whether a delivery that was turned away holds now, and each step up to the one that does not."""
    return {
        "id": one.id,
        "executor": one.executor,
        "ok": examined.ok,
        "steps": [{"step": step.name, "ok": step.ok, "detail": step.detail} for step in examined.steps],
    }


def instant_view(instant: Instant) -> dict[str, Any]:
    """An instant to come of a schedule."""
    return {"at": iso(instant.at), "local": instant.local, "note": instant.note}


def schedule_view(executor: Executor, due: int | None, *, paused: bool) -> dict[str, Any]:
    """A schedule and when it is next due."""
    trigger = executor.trigger
    assert isinstance(trigger, ScheduleTrigger)
    return {
        "executor": executor.name,
        "cron": trigger.cron,
        "timezone": trigger.timezone,
        "state": state_of(executor, paused=paused),
        "next_fire_at": iso_or_none(due),
    }


def slot_view(slot: Any) -> dict[str, Any]:
    """A due moment that there was, and what became of it; without an outcome it fired."""
    return {
        "at": iso(slot.at),
        "outcome": slot.outcome,
        "reason": slot.reason,
        "event_id": slot.event_id,
        "recorded_at": iso(slot.recorded_at),
    }


def node_view(node: Any) -> dict[str, Any]:
    """A process that serves, and until when it has said so."""
    return {
        "id": node.id,
        "host": node.host,
        "pid": node.pid,
        "started_at": iso(node.started_at),
        "lease_until": iso(node.lease_until),
        "address": node.address,
        "revision": node.revision,
    }


def _trigger(executor: Executor) -> dict[str, Any]:
    match executor.trigger:
        case EventTrigger(namespace, types, model):
            return {"namespace": namespace, "type": list(types), "model": model}
        case WebhookTrigger(verify=verify, events=events, methods=methods):
            scheme = "token in the URL" if verify is None else verify.get("preset") or verify.get("type")
            return {"verify": scheme, "events": list(events), "methods": list(methods)}
        case ScheduleTrigger(cron=cron, timezone=timezone, missed=missed):
            return {"cron": cron, "timezone": timezone, "missed": missed}


def _error(error: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if error is None else {key: error.get(key) for key in ("type", "message", "job")}


def _body(raw: bytes | None) -> Any:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")
