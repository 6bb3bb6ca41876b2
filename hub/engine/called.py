"""A job that is called, as those see it who run it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hub.engine.job import Job
from hub.engine.scope import Call, Scope
from hub.model.execution import Checkpoint


@dataclass(slots=True)
class Called:
    """A job, what it is called with, and from where."""

    job: Job[Any, Any]
    #: As the store has it, or will.
    call: Checkpoint
    #: Its input, rebuilt. A try may change it.
    value: Any
    #: The scope that calls, and the call as that one holds it; None: it is the main job.
    parent: Scope | None = None
    made: Call | None = None
