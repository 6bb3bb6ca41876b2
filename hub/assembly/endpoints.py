"""The addresses of a project's webhooks, as its files declare them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from hub.assembly.judging import Judge, Judging
from hub.assembly.revealing import Revealing
from hub.declare.secrets import references
from hub.model.executor import Executor, Position, Problem, WebhookTrigger
from hub.triggers.webhook.building import build
from hub.triggers.webhook.documents import Documents
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.secrets import SHORT_SECRET


def build_endpoints(
    executors: Iterable[Executor], revealing: Revealing, documents: Documents, judging: Judging, *, public_url: str
) -> tuple[dict[str, Endpoint], list[Problem]]:
    """One for each executor that has an address of its own and is not disabled, and what is wrong."""
    endpoints: dict[str, Endpoint] = {}
    problems: list[Problem] = []
    followers = _followers(executors)
    for executor in executors:
        if not _has_address(executor):
            continue
        make = partial(
            build,
            executor,
            partial(revealing.fill, at=_place(executor)),
            public_url=public_url,
            documents=documents,
            compile_schema=partial(Judge, judging, executor.name),
        )
        made = make()
        if not isinstance(made, Endpoint):
            problems += made
            if all(SHORT_SECRET in problem.message for problem in made):
                # A problem until it is mended. But deliveries that are verified with what there is are better than
                # deliveries that are turned away: an empty or published secret proves nothing, a short one does.
                made = make(weak=True)
        if isinstance(made, Endpoint):
            endpoints[executor.name] = replace(made, followers=followers.get(executor.name, ()))
    return endpoints, problems


def without_endpoint(executors: Iterable[Executor], endpoints: Mapping[str, Endpoint]) -> set[str]:
    """Webhooks that should have an address of their own, and have none."""
    return {executor.name for executor in executors if _has_address(executor) and executor.name not in endpoints}


def more_open_than_meant(executors: Iterable[Executor], endpoints: Mapping[str, Endpoint]) -> Iterator[Problem]:
    """Webhooks whose verification lets in more than somebody may have meant, each with its place."""
    for executor in executors:
        if executor.name in endpoints:
            for sentence in endpoints[executor.name].warnings:
                yield Problem(executor.at("trigger", "webhook", "verify"), sentence)
            if _is_written_out(executor):
                yield Problem(executor.at("trigger", "webhook", "verify", "secret"), _WRITTEN_OUT)


_WRITTEN_OUT = (
    "the secret itself stands here, where whoever may look at the executor reads it: put it into config/secrets.yaml or the "
    "environment, and write ${secret:NAME}."
)


def _is_written_out(executor: Executor) -> bool:
    """Whether the file has a secret, and not the name of one."""
    verify = executor.trigger.verify if isinstance(executor.trigger, WebhookTrigger) else None
    written = (verify or {}).get("secret", [])
    return any(not any(references(one)) for one in (written if isinstance(written, list) else [written]))


def _has_address(executor: Executor) -> bool:
    trigger = executor.trigger
    return isinstance(trigger, WebhookTrigger) and trigger.source is None and not executor.disabled


def _followers(executors: Iterable[Executor]) -> dict[str, tuple[str, ...]]:
    """Executors that listen to another one's address, by that one's name, in the order of their own."""
    followers: dict[str, tuple[str, ...]] = {}
    for executor in sorted(executors, key=lambda one: one.name):
        if isinstance(executor.trigger, WebhookTrigger) and executor.trigger.source is not None:
            source = executor.trigger.source
            followers[source] = (*followers.get(source, ()), executor.name)
    return followers


def _place(executor: Executor) -> Callable[[tuple[str | int, ...]], Position]:
    return lambda where: executor.at("trigger", "webhook", *where)
