"""What a story of a simulated world is made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from simulated_client import Client
from simulated_world import World

from hub import Workflow


@dataclass(frozen=True, slots=True)
class Story:
    name: str
    workflows: Callable[[World], Sequence[Workflow[Any, Any]]]
    tell: Callable[[Client], Any]
    check: Callable[[World], None]


def expect(world: World, workflow: str, result: Any, count: int = 1) -> None:
    """All of them succeeded with this result."""
    found = world.statuses(workflow)
    if len(found) != count:
        world.wrong(f"{len(found)} executions of {workflow}, not {count}")
    for execution, status, text in found:
        if status != "SUCCESS" or json.loads(text or "null") != result:
            world.wrong(f"{execution} of {workflow} is {status} with {text}, not {result}")


# --- one job after the other
