"""What the files declare: executors, their schedules, and workflows."""

from __future__ import annotations

from typing import Any

from hub.engine.job import Job
from hub.engine.policies import ConcurrencyPolicy, Debounce, RateLimit, RetryPolicy
from hub.engine.workflow import Workflow
from hub.model.clock import iso, iso_or_none
from hub.model.executor import EventTrigger, Executor, ScheduleTrigger, WebhookTrigger
from hub.model.identity import MachineUser
from hub.model.schedule import RecordedSlot
from hub.targets.target import aim
from hub.triggers.schedule.upcoming import Instant


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
    """What an executor does now: enabled, paused or disabled."""
    return "disabled" if executor.disabled else "paused" if paused else "enabled"


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


def instant_view(instant: Instant) -> dict[str, Any]:
    """An instant to come of a schedule."""
    return {"at": iso(instant.at), "local": instant.local, "note": instant.note}


def slot_view(slot: RecordedSlot) -> dict[str, Any]:
    """A due moment that there was, and what became of it; without an outcome it fired."""
    return {
        "at": iso(slot.at),
        "outcome": slot.outcome,
        "reason": slot.reason,
        "event_id": slot.event_id,
        "recorded_at": iso(slot.recorded_at),
    }


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


def _trigger(executor: Executor) -> dict[str, Any]:
    match executor.trigger:
        case EventTrigger(namespace, types, model):
            return {"namespace": namespace, "type": list(types), "model": model}
        case WebhookTrigger(verify=verify, events=events, methods=methods):
            scheme = "token in the URL" if verify is None else verify.get("preset") or verify.get("type")
            return {"verify": scheme, "events": list(events), "methods": list(methods)}
        case ScheduleTrigger(cron=cron, timezone=timezone, missed=missed):
            return {"cron": cron, "timezone": timezone, "missed": missed}


def _policy(policy: RetryPolicy | ConcurrencyPolicy | Debounce | RateLimit | None) -> dict[str, Any] | None:
    return None if policy is None else policy.as_json()
