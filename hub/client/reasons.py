"""Why an execution does not run: what the store has written down, and what only shows when one looks at it all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hub.engine.registry import Registry
from hub.model.clock import iso
from hub.model.execution import ExecutionRecord, Status
from hub.store import Store

_TO_BE_CLAIMED = frozenset({Status.PENDING, Status.PENDING_RETRY, Status.PENDING_RESUME, Status.WAITING})


async def with_reasons(
    store: Store, registry: Registry, now: int, records: Sequence[ExecutionRecord]
) -> list[ExecutionRecord]:
    """The same records; those that wait for a worker say what keeps it from them."""
    stuck = {(one.workflow, one.concurrency_key) for one in records if _is_due(one, now)}
    if not stuck and not any(_is_later(one, now) for one in records):
        return list(records)
    served = await store.is_served() if stuck else True
    causes = {one: await _cause(store, registry, *one, served=served) for one in stuck}
    return [_with_reason(one, now, causes.get((one.workflow, one.concurrency_key), "")) for one in records]


def _is_due(record: ExecutionRecord, now: int) -> bool:
    return record.status in _TO_BE_CLAIMED and record.due_at is not None and record.due_at <= now


def _is_later(record: ExecutionRecord, now: int) -> bool:
    return record.status in _TO_BE_CLAIMED and record.due_at is not None and record.due_at > now


def _with_reason(record: ExecutionRecord, now: int, cause: str) -> ExecutionRecord:
    if _is_due(record, now):
        # A retry or a parked one says what it waited for; that is over, and this is what it waits for now.
        return replace(record, reason=cause)
    if _is_later(record, now) and record.reason is None and record.due_at is not None:
        return replace(record, reason=f"due at {iso(record.due_at)}")
    return record


async def _cause(store: Store, registry: Registry, workflow: str, key: str, *, served: bool) -> str:
    if not served:
        return "no worker: nothing serves this hub now (hub serve)"
    found = registry.workflows.get(workflow)
    if found is None:
        return f"no worker knows the workflow {workflow}: it is not in the project's files any more"
    policy = found.concurrency_policy
    if policy is not None:
        running = await store.count_running(workflow, None if policy.key is None else key)
        if running >= policy.max_concurrent_executions:
            whose = "" if policy.key is None else f" for the key {key}"
            return f"concurrency limit reached: {running} of {policy.max_concurrent_executions} run{whose}"
    return "due, and begins as soon as a worker has room"
