"""The files in executors/ as executors, with every problem of every file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from hub.declare.body_schema import flaws
from hub.declare.checking import check
from hub.declare.filling import Rules, Sources, filled
from hub.declare.reading import Document, Where, read_file, shown
from hub.declare.secrets import load_secrets
from hub.model.clock import from_iso
from hub.model.durations import milliseconds
from hub.model.executor import (
    EventTrigger,
    Executor,
    GraphqlTarget,
    HttpTarget,
    JobTarget,
    Position,
    Problem,
    ScheduleTrigger,
    Target,
    Trigger,
    WebhookTrigger,
    WorkflowTarget,
)
from hub.model.identity import InvokerRef
from hub.model.names import NAME_RULE, closest, is_name

FOLDER = "executors"
_SUFFIXES = (".yaml", ".yml")

_VERIFY: Where = ("trigger", "webhook", "verify")
_CALLS: tuple[Where, ...] = (("target", "http"), ("target", "graphql"))
_LATE_IN_CALLS = frozenset({"url", "query", "variables", "headers", "body"})


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the folder holds."""

    #: Those without a problem, sorted by name.
    executors: tuple[Executor, ...]
    problems: tuple[Problem, ...]
    #: The names (by file) of those that have one, and so cannot run.
    broken: frozenset[str]


def is_late(where: Where) -> bool:
    """Whether a part of an executor keeps its references: it is filled in each time it is used, and may hold secrets."""
    return where[:3] == _VERIFY or (where[:2] in _CALLS and len(where) > 2 and where[2] in _LATE_IN_CALLS)  # noqa: PLR2004 - the third key


RULES = Rules(kind="executor", late=is_late, may_be_secret=is_late)


def load_executors(root: Path, sources: Sources | None = None) -> Loaded:
    """Read every executor of the project in `root`. Without `sources` references are looked up in this process's environment
    and in config/secrets.yaml, whose own problems are then left to `load_config`."""
    sources = sources or Sources(os.environ, load_secrets(root)[0])
    executors: list[Executor] = []
    problems: list[Problem] = []
    broken: set[str] = set()
    taken: dict[str, str] = {}
    for path in _files(root):
        file = _named(path)
        executor, found = _load(path, file, sources)
        if (first := taken.setdefault(path.stem, file)) != file:
            found.append(Problem(Position(file), f"this executor is already in {first}; keep one of the two files"))
        problems += found
        if found or executor is None:
            broken.add(path.stem)
        else:
            executors.append(executor)
    return Loaded(tuple(executors), tuple(sorted(set(problems))), frozenset(broken))


def parse_executor(document: Document, sources: Sources) -> tuple[Executor | None, list[Problem]]:
    """One read file as an executor, or None and why not."""
    problems = [*document.problems, *check(document, "executor")]
    if not document.complete:
        return None, problems
    value, unfilled = filled(document, sources, RULES)
    problems += unfilled
    if problems:
        return None, sorted(problems)
    problems = sorted(_beyond_schema(value, document))
    return (None, problems) if problems else (_executor(value, document), [])


def _files(root: Path) -> list[Path]:
    folder = root / FOLDER
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if path.suffix in _SUFFIXES and not path.name.startswith(".")]
    return sorted(path for path in found if not path.is_dir())


def _named(path: Path) -> str:
    """The file's name in messages; a name that no one could type is escaped."""
    name = path.name if path.name.isprintable() else path.name.encode("unicode_escape", "backslashreplace").decode()
    return f"{FOLDER}/{name}"


def _load(path: Path, file: str, sources: Sources) -> tuple[Executor | None, list[Problem]]:
    document = read_file(path, file)
    executor, problems = parse_executor(document, sources)
    if not is_name(path.stem):
        problems.append(Problem(Position(file), f"the file's name is not an executor's name: use {NAME_RULE}"))
    elif isinstance(document.value, dict):
        name = document.value.get("name")
        if isinstance(name, str) and is_name(name) and name != path.stem:
            rule = f'the name must be the file\'s: write "{path.stem}", or rename the file to {name}{path.suffix}'
            problems.append(Problem(document.at(("name",)), rule))
    return executor, problems


def _beyond_schema(value: Mapping[str, Any], document: Document) -> Iterator[Problem]:
    """What a schema cannot say."""
    trigger = value["trigger"]
    if isinstance(schedule := trigger.get("schedule"), Mapping):
        yield from _schedule_problems(schedule, document)
    schema = (trigger.get("webhook") or {}).get("schema")
    if schema is not None:
        where: Where = ("trigger", "webhook", "schema")
        for path, message in flaws(schema):
            yield Problem(document.at((*where, *path)), message)


def _schedule_problems(schedule: Mapping[str, Any], document: Document) -> Iterator[Problem]:
    where: Where = ("trigger", "schedule")
    timezone = schedule.get("timezone", "UTC")
    zone = _zone(timezone)
    if zone is None:
        near = closest(timezone, available_timezones())
        advice = f'Did you mean "{near}"?' if near else 'Names are those of the IANA database, such as "Europe/Berlin".'
        yield Problem(document.at((*where, "timezone")), f"there is no time zone {shown(timezone)}. {advice}")
        return
    bounds: dict[str, int] = {}
    for key in ("start", "end"):
        if key in schedule:
            try:
                bounds[key] = _moment(schedule[key], zone)
            except (ValueError, OverflowError):
                yield Problem(document.at((*where, key)), f"trigger.schedule.{key}: there is no such date or time")
    if "start" in bounds and "end" in bounds and bounds["end"] < bounds["start"]:
        yield Problem(
            document.at((*where, "end")), "trigger.schedule.end: it lies before start, so nothing would ever run"
        )


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return None


def _moment(text: str, zone: ZoneInfo) -> int:
    """Milliseconds since 1970 UTC; a text without an offset is a wall time in `zone`."""
    moment = datetime.fromisoformat(text)
    return from_iso((moment if moment.tzinfo else moment.replace(tzinfo=zone)).isoformat())


def _executor(value: Mapping[str, Any], document: Document) -> Executor:
    return Executor(
        name=value["name"],
        description=value.get("description", ""),
        disabled=value.get("disabled", False),
        trigger=_trigger(value["trigger"]),
        condition=value["trigger"].get("condition"),
        target=_target(value["target"]),
        positions=document.positions,
        source=document.text,
    )


def _trigger(value: Mapping[str, Any]) -> Trigger:
    if "event" in value:
        event = value["event"]
        types = event["type"] if isinstance(event["type"], list) else [event["type"]]
        return EventTrigger(event["namespace"], tuple(dict.fromkeys(types)), event["model"])
    if "schedule" in value:
        return _schedule(value["schedule"])
    webhook = value["webhook"] or {}
    return WebhookTrigger(
        verify=webhook.get("verify"),
        events=tuple(webhook.get("events", ())),
        methods=tuple(dict.fromkeys(webhook.get("methods", ("POST",)))),
        dedupe=webhook.get("dedupe", {}),
        limits=webhook.get("limits", {}),
        response=webhook.get("response", {}),
        schema=webhook.get("schema"),
    )


def _schedule(value: Mapping[str, Any]) -> ScheduleTrigger:
    given = dict(value)
    zone = ZoneInfo(given.get("timezone", "UTC"))
    for key in ("missed_window", "jitter"):
        if key in given:
            given[key] = milliseconds(given[key])
    for key in ("start", "end"):
        if key in given:
            given[key] = _moment(given[key], zone)
    if "missed_max" in given:
        given["missed_max"] = int(given["missed_max"])
    return ScheduleTrigger(**given)


def _target(value: Mapping[str, Any]) -> Target:
    (kind, given), *_ = value.items()
    return _TARGETS[kind](given)


def _workflow(given: Mapping[str, Any]) -> Target:
    return WorkflowTarget(given["workflow_name"], _invoker(given["invoker"]), given.get("variables"))


def _job(given: Mapping[str, Any]) -> Target:
    return JobTarget(given["job_name"], _invoker(given["invoker"]), given.get("variables"))


def _http(given: Mapping[str, Any]) -> Target:
    return HttpTarget(**_timed(given))


def _graphql(given: Mapping[str, Any]) -> Target:
    return GraphqlTarget(**_timed(given))


_TARGETS: Mapping[str, Callable[[Mapping[str, Any]], Target]] = {
    "workflow": _workflow,
    "job": _job,
    "http": _http,
    "graphql": _graphql,
}


def _timed(given: Mapping[str, Any]) -> dict[str, Any]:
    return {**given, "timeout": milliseconds(given["timeout"])} if "timeout" in given else dict(given)


def _invoker(value: Any) -> InvokerRef | None:
    if not isinstance(value, Mapping):
        return None  # the word `anonymous`: the schema allows no other
    return InvokerRef(value["machine_user"]["auth_namespace"], value["machine_user"]["name"])
