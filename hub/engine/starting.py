"""From "start this workflow" to a start request: does it exist, may the invoker, do the arguments fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.engine.policies import Debounce, RateLimit, checked_priority, path_into_input
from hub.engine.registry import Registry
from hub.engine.surroundings import Surroundings
from hub.engine.workflow import Workflow
from hub.model.clock import Clock, new_id
from hub.model.errors import BadInput
from hub.model.execution import Claimed, StartRequest
from hub.model.identity import MachineUser
from hub.model.names import is_label
from hub.model.pacing import Debounced, Rated
from hub.model.values import canonical, digest, parse

MOST_ARGS = 1_048_576
_LONGEST_KEY = 200


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
    priority: int | None = None,
) -> StartRequest:
    """What the store makes an execution of.

    Raises NotFound for the workflow, BadInput for a key that is none, Refused when the invoker may not start it, NotJson or
    InvalidArguments when the arguments do not fit its main job.
    """
    found = registry.workflow(workflow)
    if not (idempotency_key is None or is_label(idempotency_key)):
        raise BadInput(f"{idempotency_key!r} is no idempotency key: it must be a text that is not empty.")
    if invoker is not None:
        surroundings.allow(invoker, "workflow:start", workflow.removeprefix("job."))
    text = checked_args(found, args)
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
        priority=found.priority if priority is None else _asked(priority),
        concurrency_key=concurrency_key(found, text),
        debounced=_debounced(found.debounce, text),
        rated=_rated(found.rate_limit, text),
    )


def nested_request(
    registry: Registry,
    surroundings: Surroundings,
    clock: Clock,
    running: Claimed,
    *,
    workflow: str,
    args: Any,
    invoker: str | Mapping[str, str] | None,
    idempotency_key: str,
    priority: int | None = None,
) -> StartRequest:
    """What a running execution starts. By default it acts as the running invoker; it never gains rights.

    Raises Refused unless the running invoker may start the workflow, and when `invoker` may do what it may not.
    """
    own = surroundings.invoker(running.invoker)
    acting = own
    if isinstance(invoker, str):
        acting = surroundings.named_user(invoker, None if own is None else own.auth_namespace)
    elif invoker is not None:
        if "machine_user_name" not in invoker:
            raise BadInput('auth_invoker needs "machine_user_name", and "namespace" where several have such a user.')
        acting = surroundings.named_user(invoker["machine_user_name"], invoker.get("namespace"))
    if own is not None or acting is not None:
        surroundings.allow(own, "workflow:start", workflow)
    if own is not None and acting is not None:
        surroundings.refuse_more_rights(own, acting)
    return start_request(
        registry,
        surroundings,
        clock,
        workflow=workflow,
        args=args,
        invoker=acting,
        requested_by=f"execution:{running.id}",
        idempotency_key=idempotency_key,
        priority=priority,
    )


def checked_args(workflow: Workflow[Any, Any], args: Any) -> str:
    """The input of a workflow as JSON text. Raises NotJson, InvalidArguments, or BadInput when it is too large."""
    text, _ = workflow.main_job.input.dump_given(args)
    if len(text) > MOST_ARGS:
        raise BadInput(f"the arguments are {len(text):,} characters of JSON; at most {MOST_ARGS:,} can be stored.")
    return text


def concurrency_key(workflow: Workflow[Any, Any], args: str) -> str:
    """What these arguments share a limit on concurrency with; "" is the workflow's own."""
    policy = workflow.concurrency_policy
    return "" if policy is None or policy.key is None else _value_at(policy.key, args)


def _asked(priority: int) -> int:
    try:
        return checked_priority(priority)
    except ValueError as error:
        raise BadInput(f"{error}.") from None


def _debounced(policy: Debounce | None, args: str) -> Debounced | None:
    return None if policy is None else Debounced(_key(policy.key, args), policy.period, policy.longest)


def _rated(policy: RateLimit | None, args: str) -> Rated | None:
    return None if policy is None else Rated(_key(policy.key, args), policy.limit, policy.period)


def _key(key: str | None, args: str) -> str:
    return "" if key is None else _value_at(key, args)


def _value_at(key: str, args: str) -> str:
    """The value that a path into the input has in these arguments, as JSON text; a missing one is null."""
    value = parse(args)
    for name in path_into_input(key):
        match value:
            case dict():
                value = value.get(name)
            case list() if name.isdecimal() and int(name) < len(value):
                value = value[int(name)]
            case _:
                value = None
    text = canonical(value)
    return text if len(text) <= _LONGEST_KEY else digest(text)
