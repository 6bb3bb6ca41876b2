"""What stores and orchestrates behind a `Client`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from hub.engine.registry import Registry
from hub.engine.surroundings import Surroundings
from hub.model.clock import Clock
from hub.model.event import Delivery, Event
from hub.model.executor import Executor
from hub.store import Store


@dataclass(slots=True)
class Driver:
    """A hub's parts, as the client needs them."""

    store: Store
    registry: Registry
    surroundings: Surroundings
    clock: Clock
    executors: Mapping[str, Executor]
    public_url: str
    #: Dispatch what nobody has dispatched yet.
    dispatch: Callable[[], Awaitable[int]]
    #: Hold an event against its executors again.
    replay: Callable[[Event, Sequence[str] | None], Awaitable[list[Delivery]]]
