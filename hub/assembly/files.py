"""A project's files, read and held against each other: what the hub is going to do, and everything that is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from hub.assembly.endpoints import build_endpoints, more_open_than_meant, without_endpoint
from hub.assembly.fetching import Calling, Fetching
from hub.assembly.judging import Judging
from hub.assembly.revealing import Revealing
from hub.declare.config import Config, sqlite_path
from hub.declare.cross_check import Checkers, cross_check
from hub.declare.permissions import unknown_permissions
from hub.declare.project import Project, load_project
from hub.declare.secrets import Secret
from hub.engine.discover import Discovered, discover
from hub.engine.registry import Registry
from hub.engine.surroundings import Surroundings
from hub.expressions import check_expression, check_variables
from hub.model.errors import BadInput
from hub.model.executor import Executor, JobTarget, Problem
from hub.model.hiding import Hiding
from hub.store.databases import Database
from hub.targets.calling import call_flaws
from hub.targets.job_client import job_client
from hub.targets.target import add_workflows
from hub.triggers.schedule.cron import parse
from hub.triggers.webhook.documents import Documents
from hub.triggers.webhook.endpoint import Endpoint
from hub.triggers.webhook.presets import preset_names


@dataclass(frozen=True, slots=True)
class Files:
    """What the files say. With problems it is what is left of them: one broken file takes only itself out."""

    root: Path
    #: None when config/hub.yaml cannot be used.
    config: Config | None
    executors: tuple[Executor, ...]
    #: Names of executors whose file cannot be read now.
    broken: frozenset[str]
    registry: Registry
    endpoints: Mapping[str, Endpoint]
    problems: tuple[Problem, ...]
    #: What is no mistake, and may be otherwise than somebody meant.
    warnings: tuple[Problem, ...]
    secret: Callable[[str], str]
    #: What workflows/ declares, without what the hub makes for executors.
    discovered: Discovered
    #: Secrets that were filled in somewhere or read by a job.
    hiding: Hiding
    #: Certificates and keys of senders, shared by all endpoints.
    documents: Documents = field(default_factory=Documents)
    #: How those are fetched, and subscriptions confirmed.
    fetching: Fetching = field(default_factory=lambda: Fetching(None))
    #: Where bodies are held against the schemas of webhooks.
    judging: Judging = field(default_factory=Judging)

    def surroundings(self, databases: Mapping[str, Database] | None = None) -> Surroundings:
        """What executions see of the installation; `databases` are those that are open already."""
        config = self.config or Config()
        if databases is None:
            databases = {name: Database(name, database_url(url, self.root)) for name, url in config.databases.items()}
        return Surroundings(config.env, config.auth, databases, self.secret, job_client, self.hiding)


def read_files(
    root: Path,
    environment: Mapping[str, str] | None = None,
    *,
    documents: Documents | None = None,
    discovered: Discovered | None = None,
    hiding: Hiding | None = None,
) -> Files:
    """Read config/, executors/ and workflows/, and check them against each other. Nothing is raised for what is wrong.

    With `discovered` the code in workflows/ is not imported again.
    """
    environment = os.environ if environment is None else environment
    project = load_project(root, environment)
    discovered = discovered or discover(root)
    revealing = Revealing(environment, project.secrets, hiding or Hiding())
    revealing.tell_of_short_ones()
    flawed = _flawed_calls(project)
    executors = tuple(executor for executor in project.loaded.executors if executor.name not in flawed)
    fetching = Fetching(project.config)
    documents = documents or Documents(fetching.document)
    public_url = "" if project.config is None else project.config.server.public_url or ""
    judging = Judging()
    build = partial(build_endpoints, revealing=revealing, documents=documents, judging=judging, public_url=public_url)
    endpoints, in_endpoints = build(project.loaded.executors)
    _, in_unfinished = build(project.loaded.unfinished)
    problems = {
        *project.problems,
        *discovered.problems,
        *_between(project, discovered),
        *chain.from_iterable(flawed.values()),
    }
    problems.update(in_endpoints, in_unfinished)
    return Files(
        root=root,
        config=project.config,
        executors=executors,
        broken=frozenset(project.loaded.broken | flawed.keys() | without_endpoint(executors, endpoints)),
        registry=_with_targets(project, discovered, executors, revealing),
        endpoints=endpoints,
        problems=tuple(sorted(problems)),
        warnings=tuple(sorted(_worth_knowing(project, discovered, endpoints))),
        secret=lambda name: project.secrets.get(name).reveal(),
        discovered=discovered,
        hiding=revealing.hiding,
        documents=documents,
        fetching=fetching,
        judging=judging,
    )


def _flawed_calls(project: Project) -> dict[str, list[Problem]]:
    """Executors whose target cannot be called as their file says, by name."""
    found: dict[str, list[Problem]] = {}
    for executor, place, why in call_flaws((*project.loaded.executors, *project.loaded.unfinished)):
        problem = Problem(executor.at("target", executor.target_kind, *place), why)
        found.setdefault(executor.name, []).append(problem)
    return found


def _with_targets(
    project: Project, discovered: Discovered, executors: Sequence[Executor], revealing: Revealing
) -> Registry:
    """What workflows/ declares, and a workflow for each executor whose target is none."""
    registry = discovered.registry.copy()
    add_workflows(
        registry,
        executors,
        Calling(project.config),
        lambda executor: partial(revealing.fill, at=lambda _: executor.at("target")),
        revealing.hiding.hide_in,
    )
    return registry


def _between(project: Project, discovered: Discovered) -> Iterator[Problem]:
    """What does not fit together, also of files that have problems of their own."""
    complete = not discovered.problems
    yield from cross_check(
        (*project.loaded.executors, *project.loaded.unfinished),
        project.names,
        workflows=_names(discovered.registry.workflows, complete=complete),
        jobs=_names(discovered.registry.jobs, complete=complete),
        presets=preset_names(),
        checkers=Checkers(expression=check_expression, variables=check_variables, cron=_check_cron),
    )
    if project.names is not None and complete:
        points = discovered.registry.wait_points.values()
        asked = {point.permission for point in points if point.permission is not None}
        yield from unknown_permissions(project.names, asked)


def _worth_knowing(project: Project, discovered: Discovered, endpoints: Mapping[str, Endpoint]) -> Iterator[Problem]:
    loaded = project.loaded
    yield from more_open_than_meant(loaded.executors, endpoints)
    yield from loaded.overlooked
    targets = [executor.target for executor in (*loaded.executors, *loaded.unfinished)]
    aimed_at = {target.job_name for target in targets if isinstance(target, JobTarget)}
    yield from (one.problem for one in discovered.overlooked if aimed_at.isdisjoint(one.unless))


def database_url(url: Secret, root: Path) -> str:
    """An address with the path of a SQLite file made absolute."""
    path = sqlite_path(url, root)
    return url.reveal() if path is None else f"sqlite:///{path.resolve()}"


def _names(found: Mapping[str, Any], *, complete: bool) -> Mapping[str, Any] | None:
    """Names to hold executors against. When a file could not be imported, an unknown name may be in it."""
    return found if complete else None


def _check_cron(cron: str, timezone: str) -> str | None:
    try:
        parse(cron, timezone)
    except BadInput as error:
        return str(error)
    return None
