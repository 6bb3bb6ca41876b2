"""Outgoing calls as workflows of one job: one history, one retry policy, one page, like everything else that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hub.engine.context import Context
from hub.engine.job import Job
from hub.engine.policies import RetryPolicy
from hub.engine.workflow import Workflow
from hub.model.durations import spoken
from hub.model.executor import Executor, GraphqlTarget, HttpTarget
from hub.targets.outgoing import Outgoing, read_url
from hub.targets.request import OURS, Fill, answer_of, graphql_answer, request_of, template

SCHEMES = ("http", "https")
#: Bytes of an answer; a result is kept with the execution.
_MOST_ANSWER = 1_048_576
#: Beyond the call's own limit, so that it is the call that says what was too slow.
_SPARE_SECONDS = 5


def call_workflow(
    executor: Executor, outgoing: Callable[[], Outgoing], fill: Fill, hide: Callable[[Any], Any]
) -> Workflow[Any, Any]:
    """The workflow round an executor's http or graphql target. Its arguments are what `template` came to for an event."""
    target = executor.target
    assert isinstance(target, HttpTarget | GraphqlTarget)
    seconds = target.timeout / 1000

    async def call(input: dict[str, Any], ctx: Context) -> Any:
        request = request_of(target, input, fill, ctx.idempotency_key)
        goal = read_url(request.url, SCHEMES)
        ctx.log.info("%s %s", request.method, goal.origin)
        ctx.calls(goal.origin.partition("://")[2])
        answer = await outgoing().fetch(
            request.url,
            method=request.method,
            body=request.body,
            headers=request.headers,
            schemes=SCHEMES,
            seconds=seconds,
            most=_MOST_ANSWER,
        )
        # Some servers send back what they were sent.
        result = hide(answer_of(answer, goal.origin))
        return graphql_answer(result, goal.origin) if isinstance(target, GraphqlTarget) else result

    kind = "http" if isinstance(target, HttpTarget) else "graphql"
    job: Job[Any, Any] = Job(call, name=f"{kind}-call", timeout=seconds + _SPARE_SECONDS)
    made = Workflow.around(call_name(executor), job, definition=repr((template(target), spoken(target.timeout))))
    made.retry_policy = _policy(target)
    return made


def call_name(executor: Executor) -> str:
    """The dot keeps it apart from names that people give."""
    kind = "http" if isinstance(executor.target, HttpTarget) else "graphql"
    return f"{kind}.{executor.name}"


def _policy(target: HttpTarget | GraphqlTarget) -> RetryPolicy | None:
    """None unless the file asks for retries: not every service knows an Idempotency-Key when it sees one."""
    if not target.retry or not target.retry.get("max_retries", 1):
        return None
    return RetryPolicy(**target.retry)


def call_flaws(executors: Sequence[Executor]) -> list[tuple[Executor, Sequence[str], str]]:
    """Executors whose target could never be called as their file says; for each the place inside the target, and why."""
    return [
        (executor, place, why)
        for executor in executors
        if isinstance(executor.target, HttpTarget | GraphqlTarget)
        for place, why in _flaws(executor.target)
    ]


def _flaws(target: HttpTarget | GraphqlTarget) -> Iterator[tuple[Sequence[str], str]]:
    if not target.timeout:
        yield ("timeout",), "a timeout of nothing ends every call before it begins; leave it out for 30s"
    for name in sorted(name for name in target.headers if name.lower() in OURS):
        yield ("headers", name), f"the header {name} is the hub's own matter; leave it out"
    try:
        _policy(target)
    except ValueError as error:
        yield ("retry",), str(error)
