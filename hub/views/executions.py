"""What an execution looks like: its jobs, its logs, what it asks, and whether it can go on."""

from __future__ import annotations

import json
from typing import Any

from hub.engine.compatibility import Judged
from hub.model.clock import iso, iso_or_none
from hub.model.execution import Checkpoint, ExecutionRecord, LogLine
from hub.model.wait import WaitRecord


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


def log_view(line: LogLine) -> dict[str, Any]:
    return {"at": iso(line.at), "job": line.path, "level": line.level, "message": line.message}


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


def _error(error: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if error is None else {key: error.get(key) for key in ("type", "message", "job")}
