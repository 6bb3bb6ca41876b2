"""An executor as checked values: what its YAML file says, with the place where each thing stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hub.model.identity import InvokerRef

RecordEvent = Literal["record.created", "record.updated", "record.deleted"]
RECORD_EVENTS: tuple[RecordEvent, ...] = ("record.created", "record.updated", "record.deleted")


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file; lines and columns count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something wrong in a file that a person wrote, in words that help to mend it."""

    position: Position
    message: str

    def __str__(self) -> str:
        return f"{self.position}: {self.message}"


@dataclass(frozen=True, slots=True)
class EventTrigger:
    """Rows of `model` in the watched database `namespace`."""

    namespace: str
    types: tuple[RecordEvent, ...]
    model: str


@dataclass(frozen=True, slots=True)
class WebhookTrigger:
    """An incoming HTTP call."""

    #: The `verify` mapping as written, secrets not filled in; None: the token in the URL is the secret.
    verify: Mapping[str, Any] | None = None
    #: Event-name globs to accept; empty accepts all.
    events: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("POST",)
    dedupe: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    response: Mapping[str, Any] = field(default_factory=dict)
    #: A JSON Schema for the body; None accepts any.
    schema: Mapping[str, Any] | None = None
    #: The executor whose address and verification this one shares; None: it has its own.
    source: str | None = None


@dataclass(frozen=True, slots=True)
class ScheduleTrigger:
    """Instants on a wall clock."""

    cron: str
    timezone: str = "UTC"
    missed: Literal["latest", "skip", "all"] = "latest"
    #: How old a missed slot may be and still be caught up, in milliseconds.
    missed_window: int = 86_400_000
    #: How many missed slots `missed: all` catches up at most.
    missed_max: int = 100
    overlap: Literal["allow", "skip", "queue_one", "cancel_running"] = "allow"
    #: Slots fire up to this many milliseconds late, by a fixed amount for each slot.
    jitter: int = 0
    #: First and last instant (milliseconds since 1970 UTC); None: no bound.
    start: int | None = None
    end: int | None = None
    #: Rules at the nights of a clock change, as written.
    dst: Mapping[str, Any] = field(default_factory=dict)


Trigger = EventTrigger | WebhookTrigger | ScheduleTrigger


@dataclass(frozen=True, slots=True)
class WorkflowTarget:
    workflow_name: str
    #: None: anonymous, which the file says in so many words.
    invoker: InvokerRef | None
    #: A JavaScript expression, or a mapping whose strings may hold `${{ }}`; None: `{}`.
    variables: str | Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class JobTarget:
    job_name: str
    invoker: InvokerRef | None
    variables: str | Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """An outgoing HTTP call. Strings may hold `${{ }}`."""

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    timeout: int = 30_000
    retry: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GraphqlTarget:
    url: str
    query: str
    variables: str | Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: int = 30_000
    retry: Mapping[str, Any] = field(default_factory=dict)


Target = WorkflowTarget | JobTarget | HttpTarget | GraphqlTarget


@dataclass(frozen=True, slots=True)
class Executor:
    """One binding of a trigger to a target."""

    name: str
    trigger: Trigger
    target: Target
    description: str = ""
    disabled: bool = False
    #: A JavaScript expression; falsy records the delivery as filtered. None: always.
    condition: str | None = None
    #: Path of keys in the file -> where its value stands.
    positions: Mapping[tuple[str | int, ...], Position] = field(default_factory=dict, repr=False, compare=False)
    #: The file as written, for people.
    source: str = field(default="", repr=False, compare=False)

    @property
    def kind(self) -> Literal["event", "webhook", "schedule"]:
        match self.trigger:
            case EventTrigger():
                return "event"
            case WebhookTrigger():
                return "webhook"
            case ScheduleTrigger():
                return "schedule"

    @property
    def target_kind(self) -> Literal["workflow", "job", "http", "graphql"]:
        match self.target:
            case WorkflowTarget():
                return "workflow"
            case JobTarget():
                return "job"
            case HttpTarget():
                return "http"
            case GraphqlTarget():
                return "graphql"

    @property
    def invoker(self) -> InvokerRef | None:
        """As whom it acts; None: anonymously."""
        return self.target.invoker if isinstance(self.target, WorkflowTarget | JobTarget) else None

    def at(self, *path: str | int) -> Position:
        """Where `path` stands in the file, or the nearest enclosing place that is known."""
        for length in range(len(path), -1, -1):
            if (found := self.positions.get(path[:length])) is not None:
                return found
        return Position(f"executors/{self.name}.yaml")
