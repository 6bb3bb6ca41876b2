"""From "start this workflow" to a start request: does it exist, may the invoker, do the arguments fit."""

from __future__ import annotations

from typing import Any

from hub.engine.registry import Registry
from hub.engine.surroundings import Surroundings
from hub.model.clock import Clock, new_id
from hub.model.errors import BadInput
from hub.model.execution import StartRequest
from hub.model.identity import MachineUser
from hub.model.values import canonical

MOST_ARGS = 1_048_576


def start_request(
    registry: Registry,
    surroundings: Surroundings,
    clock: Clock,
    *,
    workflow: str,
    args: Any,
    invoker: MachineUser | None,
    requested_by: str,
    idempotency_key: str | None = None,
    executor: str | None = None,
    event_id: str | None = None,
) -> StartRequest:
    """What the store makes an execution of.

    Raises NotFound for the workflow, Refused when the invoker may not start it, NotJson or InvalidArguments when the
    arguments do not fit its main job.
    """
    found = registry.workflow(workflow)
    if invoker is not None:
        surroundings.allow(invoker, "workflow:start", workflow)
    given = {} if args is None else args
    text, _ = found.main_job.input.dump(given)
    if len(text) > MOST_ARGS:
        raise BadInput(f"the arguments are {len(text):,} characters of JSON; at most {MOST_ARGS:,} can be stored.")
    now = clock.now()
    return StartRequest(
        id=new_id(now),
        workflow=workflow,
        args=text,
        invoker=None if invoker is None else canonical(invoker.as_json()),
        created_at=now,
        idempotency_key=idempotency_key,
        executor=executor,
        event_id=event_id,
        requested_by=requested_by,
    )
