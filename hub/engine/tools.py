"""What every run in a process shares."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from hub.engine.budgets import Budgets
from hub.engine.registry import Registry
from hub.engine.surroundings import Surroundings
from hub.engine.waking import Doubt, Gate
from hub.model.clock import Clock
from hub.store import Store


@dataclass(frozen=True, slots=True)
class Tools:
    """What every run in a process shares."""

    store: Store
    registry: Registry
    surroundings: Surroundings
    clock: Clock
    #: Threads for plain jobs. It grows: a plain job that waits for another holds its thread.
    threads: concurrent.futures.Executor
    #: Jobs begin only while it is open.
    gate: Gate
    #: Set once an execution here has waited for another one's end.
    awaits_others: threading.Event = field(default_factory=threading.Event)
    #: While it is open, a try begins only once the store has said that the claim still holds.
    doubt: Doubt = field(default_factory=Doubt)
    #: How soon what has failed may be tried again.
    budgets: Budgets = field(default_factory=Budgets)
    #: Told when a run is not suspected any more. On the worker's loop.
    on_cleared: Callable[[], None] = lambda: None
