"""What stores and orchestrates behind a client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hub.dispatch.preview import Preview
from hub.engine.registry import Registry
from hub.engine.surroundings import Surroundings
from hub.identity.gate import Gate
from hub.model.audit import AuditEntry
from hub.model.clock import Clock
from hub.model.errors import NotFound
from hub.model.event import Delivery, Event
from hub.model.executor import Executor
from hub.model.identity import Principal
from hub.model.plan import Plan
from hub.store import Store, open_store
from hub.store.refused import RefusedDelivery
from hub.triggers.webhook.examine import Examined, Step


class Planner(Protocol):
    """Knows the files of a project, and what of them is in effect."""

    async def plan(self) -> Plan: ...

    async def apply(self, plan: Plan, entry: AuditEntry | None) -> None: ...


class NoFiles:
    """Nothing was read from files, so nothing changes."""

    async def plan(self) -> Plan:
        return Plan((), (), ())

    async def apply(self, plan: Plan, entry: AuditEntry | None) -> None:
        del plan, entry


async def _no_webhooks(refused: RefusedDelivery) -> Examined:
    raise NotFound("webhook executor", refused.executor)


async def _no_webhook(executor: Executor, _body: bytes, _event: str | None) -> Examined:
    raise NotFound("webhook executor", executor.name)


@dataclass(slots=True)
class ProjectDriver:
    """The parts of a project's hub, as its faces need them."""

    store: Store
    registry: Registry
    surroundings: Surroundings
    clock: Clock
    executors: Mapping[str, Executor]
    #: Where senders and people reach the hub now. Raises StoreUnavailable.
    reached: Callable[[], Awaitable[str]]
    #: Dispatch what nobody has dispatched yet.
    dispatch: Callable[[], Awaitable[int]]
    #: Hold an event against its executors again; the record of who asked for it is written with what it starts.
    #: Under the same key, the last one, what was started before is not started again.
    replay: Callable[[Event, Sequence[str] | None, AuditEntry | None, str | None], Awaitable[list[Delivery]]]
    #: What would become of an event at one executor.
    preview: Callable[[Event, str], Awaitable[Preview]]
    #: What it takes to let somebody in.
    gate: Gate
    #: Names of executors whose file cannot be used now.
    broken: Collection[str] = ()
    #: What changed files would change, and doing it.
    files: Planner = field(default_factory=NoFiles)
    #: Hold a refused delivery against its executor as the files are now. Raises HubError when it cannot be looked at.
    examine: Callable[[RefusedDelivery], Awaitable[Examined]] = _no_webhooks
    #: Sign a request for a webhook executor as its sender would, by the sender's name for it, and hold it against every step.
    sign: Callable[[Executor, bytes, str | None], Awaitable[Examined]] = _no_webhook
    #: What a stored delivery of a webhook had to pass.
    passed: Callable[[Event], Sequence[Step]] = lambda _event: ()
    #: What executors and workflows are now, in a short word; other nodes should have the same. "": nobody knows.
    revision: Callable[[], str] = lambda: ""
    #: Told of each right that a machine user makes use of.
    uses: Callable[[Principal, str, str | None], None] = lambda _principal, _action, _name: None


class Driver(Protocol):
    """Where a library's client keeps its executions."""

    @property
    def durable(self) -> bool:
        """Whether they outlive the process; then other processes may work on the same ones."""
        ...

    def open(self, clock: Clock) -> Store:
        """Raises BadInput or StoreUnavailable."""
        ...


class InMemoryDriver:
    """In this process alone, and gone with it: for tests and trials."""

    durable = False

    def open(self, clock: Clock) -> Store:
        return open_store("sqlite://", clock)


@dataclass(frozen=True)
class SQLiteDriver:
    """In a SQLite file, which is created when it is missing.

    `sqlite:///hub.db` is the file hub.db, and `:memory:` is none, as elsewhere with SQLite.
    """

    path: str | Path

    @property
    def durable(self) -> bool:
        return self._file != ":memory:"

    def open(self, clock: Clock) -> Store:
        return open_store(f"sqlite:///{Path(self._file).resolve()}" if self.durable else "sqlite://", clock)

    @property
    def _file(self) -> str:
        return str(self.path).removeprefix("sqlite:///")


@dataclass(frozen=True)
class PostgresDriver:
    """In a PostgreSQL database: `postgresql://user@host/db`."""

    url: str
    durable = True

    def open(self, clock: Clock) -> Store:
        return open_store(self.url, clock)
