"""Executors held against what they name: workflows, jobs, machine users, databases, presets and expressions.

Pure. What belongs to higher floors comes in as collections of names and as functions that judge a text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub.declare.config import Config
from hub.declare.document import Where
from hub.declare.inside import place_inside, stands_at
from hub.model.errors import ExpressionError
from hub.model.executor import (
    EventTrigger,
    Executor,
    GraphqlTarget,
    HttpTarget,
    JobTarget,
    Problem,
    ScheduleTrigger,
    WebhookTrigger,
    WorkflowTarget,
)
from hub.model.identity import InvokerRef
from hub.model.names import advice

START = "workflow:start"


@dataclass(frozen=True, slots=True)
class Checkers:
    """Judges from higher floors; None: not judged here."""

    #: An expression -> what is wrong with it. Its line and column count from 1 within the expression.
    expression: Callable[[str], ExpressionError | None] | None = None
    #: An expression, or a value whose texts may hold `${{ }}` -> each path in it with what is wrong there.
    #: Lines and columns count from 1 within the text at that path.
    variables: Callable[[Any], Sequence[tuple[Where, ExpressionError]]] | None = None
    #: A cron text and its time zone -> what is wrong.
    cron: Callable[[str, str], str | None] | None = None
    #: A `verify` mapping as written -> each path in it with what is wrong there.
    verify: Callable[[Mapping[str, Any]], Sequence[tuple[Where, str]]] | None = None


def cross_check(
    executors: Iterable[Executor],
    config: Config | None,
    *,
    workflows: Collection[str] | None,
    jobs: Collection[str] | None,
    presets: Collection[str] | None = None,
    checkers: Checkers | None = None,
) -> list[Problem]:
    """Every name that leads nowhere, every missing permission, and whatever the checkers find, each at its place.

    None for `config`, `workflows`, `jobs` or `presets` means that it could not be loaded: nothing is said of its names then.
    """
    checkers = checkers or Checkers()
    problems: set[Problem] = set()
    executors = tuple(executors)
    problems.update(_sources(executors))
    for executor in executors:
        problems.update(_trigger(executor, config, presets, checkers))
        problems.update(lost := list(_target(executor, workflows, jobs)))
        problems.update(_invoker(executor, config, aims=not lost))
        problems.update(_expressions(executor, checkers))
    return sorted(problems)


def _unknown(executor: Executor, where: Where, kind: str, name: str, known: Iterable[str]) -> Problem:
    """A name that leads nowhere. One that was filled in is not repeated."""
    position = executor.at(*where)
    what = f'"{name}"' if stands_at(executor.source, position, name) else "of the name that is filled in here"
    return Problem(position, f"there is no {kind} {what}. {advice(name, known)}")


def _sources(executors: Sequence[Executor]) -> Iterator[Problem]:
    """A shared webhook must be one that has an address."""
    own = {one.name for one in executors if isinstance(one.trigger, WebhookTrigger) and one.trigger.source is None}
    for executor in executors:
        trigger = executor.trigger
        if isinstance(trigger, WebhookTrigger) and trigger.source is not None and trigger.source not in own:
            where: Where = ("trigger", "webhook", "source")
            yield _unknown(executor, where, "webhook executor with an address of its own", trigger.source, own)


def _trigger(
    executor: Executor, config: Config | None, presets: Collection[str] | None, checkers: Checkers
) -> Iterator[Problem]:
    match executor.trigger:
        case EventTrigger(namespace=namespace):
            if config is not None and namespace not in config.databases:
                yield _unknown(executor, ("trigger", "event", "namespace"), "database", namespace, config.databases)
        case WebhookTrigger(verify=verify) if verify is not None:
            where: Where = ("trigger", "webhook", "verify")
            preset = verify.get("preset")
            if isinstance(preset, str) and presets is not None and preset not in presets:
                yield _unknown(executor, (*where, "preset"), "preset", preset, presets)
            elif checkers.verify is not None:
                for path, message in checkers.verify(verify):
                    yield Problem(executor.at(*where, *path), message)
        case ScheduleTrigger(cron=cron, timezone=timezone) if checkers.cron is not None:
            if (fault := checkers.cron(cron, timezone)) is not None:
                yield Problem(executor.at("trigger", "schedule", "cron"), fault)
        case _:
            pass


def _target(executor: Executor, workflows: Collection[str] | None, jobs: Collection[str] | None) -> Iterator[Problem]:
    match executor.target:
        case WorkflowTarget(workflow_name=name) if workflows is not None and name not in workflows:
            found = _unknown(executor, ("target", "workflow", "workflow_name"), "workflow", name, workflows)
            yield _other_kind(found, name, jobs, "job: {job_name: …}")
        case JobTarget(job_name=name) if jobs is not None and name not in jobs:
            found = _unknown(executor, ("target", "job", "job_name"), "job", name, jobs)
            yield _other_kind(found, name, workflows, "workflow: {workflow_name: …}")
        case _:
            pass


def _other_kind(problem: Problem, name: str, others: Collection[str] | None, spelling: str) -> Problem:
    """The same problem, with better advice when the name is known as the other kind of target."""
    if others is None or name not in others:
        return problem
    first, _, _ = problem.message.partition(". ")
    return Problem(problem.position, f"{first}, but something else has this name: write {spelling}")


def _invoker(executor: Executor, config: Config | None, *, aims: bool) -> Iterator[Problem]:
    """`aims`: whether the target is there. No right is asked for one that is not: its name will be another."""
    match executor.target:
        case WorkflowTarget(workflow_name=name, invoker=InvokerRef() as invoker):
            where: Where = ("target", "workflow", "invoker", "machine_user")
        case JobTarget(job_name=name, invoker=InvokerRef() as invoker):
            where = ("target", "job", "invoker", "machine_user")
        case _:
            return
    if config is None:
        return
    users = config.auth.get(invoker.auth_namespace)
    if users is None:
        yield _unknown(executor, (*where, "auth_namespace"), "auth namespace", invoker.auth_namespace, config.auth)
    elif (user := users.get(invoker.name)) is None:
        yield _unknown(executor, (*where, "name"), "machine user", invoker.name, users)
    elif aims and not user.may(START, name):
        message = f'machine user "{user.name}" may not start "{name}"; grant it "{START}:{name}" in config/hub.yaml'
        yield Problem(executor.at(*where, "name"), message)


def _expressions(executor: Executor, checkers: Checkers) -> Iterator[Problem]:
    if executor.condition is not None and checkers.expression is not None:
        error = checkers.expression(executor.condition)
        if error is not None:
            yield _in_expression(executor, ("trigger", "condition"), executor.condition, error)
    if checkers.variables is None:
        return
    for where, value in _templates(executor):
        for path, error in checkers.variables(value):
            yield _in_expression(executor, (*where, *path), _text_at(value, path), error)


def _templates(executor: Executor) -> Iterator[tuple[Where, Any]]:
    """What is evaluated at run time, and where it stands."""
    if isinstance(executor.trigger, WebhookTrigger) and "body" in executor.trigger.response:
        yield ("trigger", "webhook", "response"), {"body": executor.trigger.response["body"]}
    match executor.target:
        case WorkflowTarget(variables=variables) if variables is not None:
            yield ("target", "workflow", "variables"), variables
        case JobTarget(variables=variables) if variables is not None:
            yield ("target", "job", "variables"), variables
        case HttpTarget() as call:
            yield ("target", "http"), {"url": call.url, "headers": call.headers, "body": call.body}
        case GraphqlTarget() as call:
            yield ("target", "graphql"), {"url": call.url, "headers": call.headers}
            if call.variables is not None:
                yield ("target", "graphql", "variables"), call.variables
        case _:
            pass


def _text_at(value: Any, path: Where) -> str | None:
    try:
        for part in path:
            value = value[part]
    except (LookupError, TypeError):
        return None
    return value if isinstance(value, str) else None


def _in_expression(executor: Executor, where: Where, text: str | None, error: ExpressionError) -> Problem:
    start = executor.at(*where)
    if text is not None and error.line is not None and where in executor.positions:
        start = place_inside(executor.source, start, text, error.line, error.column or 1)
    return Problem(start, str(error))
