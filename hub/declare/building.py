"""A checked mapping as an `Executor`, and the mistakes that no schema can express."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from hub.declare.body_schema import flaws
from hub.declare.document import Document, Where
from hub.declare.secrets import beside_references
from hub.model.clock import from_iso
from hub.model.durations import milliseconds
from hub.model.executor import (
    EventTrigger,
    Executor,
    GraphqlTarget,
    HttpTarget,
    JobTarget,
    ScheduleTrigger,
    Target,
    Trigger,
    WebhookTrigger,
    WorkflowTarget,
)
from hub.model.identity import InvokerRef
from hub.model.names import closest

#: Some systems keep a file of that name among the zones; it differs from machine to machine.
_OWN_ZONE = "localtime"
_WEBHOOK: Where = ("trigger", "webhook")


def beyond_schema(value: Mapping[str, Any], document: Document) -> Iterator[tuple[Where, str]]:
    """What a schema cannot say, each with its place."""
    trigger = value["trigger"]
    if isinstance(schedule := trigger.get("schedule"), Mapping):
        yield from _schedule_problems(schedule, document)
    yield from _shared_problems(trigger.get("webhook") or {})
    yield from _misspelt_secrets((trigger.get("webhook") or {}).get("verify") or {})
    schema = (trigger.get("webhook") or {}).get("schema")
    if schema is not None:
        yield from (((*_WEBHOOK, "schema", *path), message) for path, message in flaws(schema))


def _misspelt_secrets(verify: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
    """A `${…}` that is no reference would be the secret itself, as it stands there."""
    written = verify.get("secret")
    for index, text in enumerate(written if isinstance(written, list) else [written]):
        if isinstance(text, str) and "${" in beside_references(text):
            where: Where = (*_WEBHOOK, "verify", "secret", *([index] if isinstance(written, list) else []))
            yield where, "what stands in ${ } is no reference, and would be the secret itself: write ${secret:NAME}"


def _schedule_problems(schedule: Mapping[str, Any], document: Document) -> Iterator[tuple[Where, str]]:
    where: Where = ("trigger", "schedule")
    timezone = schedule.get("timezone", "UTC")
    zone = _zone(timezone)
    if zone is None:
        near = _near_zone(timezone)
        advice = f'Did you mean "{near}"?' if near else 'Names are those of the IANA database, such as "Europe/Berlin".'
        yield (*where, "timezone"), f"there is no time zone {document.said((*where, 'timezone'))}. {advice}"
        return
    bounds: dict[str, int] = {}
    for key in ("start", "end"):
        if key in schedule:
            try:
                bounds[key] = _moment(schedule[key], zone)
            except (ValueError, OverflowError):
                yield (*where, key), f"trigger.schedule.{key}: there is no such date or time"
    if "start" in bounds and "end" in bounds and bounds["end"] < bounds["start"]:
        yield (*where, "end"), "trigger.schedule.end: it lies before start, so nothing would ever run"


def _near_zone(name: str) -> str | None:
    """The same in other letters, such as "utc", else the closest."""
    zones = sorted(available_timezones() - {_OWN_ZONE})
    return next((one for one in zones if one.casefold() == name.casefold()), None) or closest(name, zones)


def _zone(name: str) -> ZoneInfo | None:
    try:
        return None if name == _OWN_ZONE else ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return None


def _moment(text: str, zone: ZoneInfo) -> int:
    """Milliseconds since 1970 UTC; a text without an offset is a wall time in `zone`."""
    moment = datetime.fromisoformat(text)
    return from_iso((moment if moment.tzinfo else moment.replace(tzinfo=zone)).isoformat())


def build(value: Mapping[str, Any], document: Document) -> Executor:
    """The executor of a value that passed the schema and `beyond_schema`."""
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
        source=webhook.get("source"),
    )


def _shared_problems(webhook: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
    """Whoever takes what another executor receives has only events of its own."""
    if "source" in webhook:
        for key in sorted(webhook.keys() - {"source", "events"}):
            yield (*_WEBHOOK, key), f"{key} belongs to the executor that source names; here only events may stand"


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
