"""Witnesses of commits: what was made durable, seen by whoever counts it or shows it live.

They are told on the writer's thread, after the commit. They must be quick, and cannot change anything.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any

from hub.store.checkpoints import CallWrite
from hub.store.committing import Operation

#: Called with the operations of one transaction, their results in them, and the seconds that it took.
Witness = Callable[[Sequence[Operation], float], None]

#: Where an item of a verb names its execution: itself, or in one of these parts.
_PARTS = ("line", "settled", "call", "main", "item")


def touched(operations: Sequence[Operation], among: Container[str]) -> set[str]:
    """Which of these executions the operations concern. A cancel reaches children that are not named here."""
    found: set[str] = set()
    for operation in operations:
        name = _execution_of(operation.item)
        if name is not None and name in among:
            found.add(name)
        elif operation.verb.name == "claim" and isinstance(operation.result, list):
            found.update(claimed.id for claimed in operation.result if claimed.id in among)
    return found


def _execution_of(item: Any) -> str | None:
    name: str | None = getattr(item, "execution_id", None)
    for part in _PARTS:
        if name is None:
            name = getattr(getattr(item, part, None), "execution_id", None)
    return name


def finished_calls(operations: Sequence[Operation]) -> list[CallWrite]:
    """The calls of jobs, steps and waits whose end is among the operations."""
    found: list[CallWrite] = []
    for operation in operations:
        if operation.verb.name in ("checkpoint", "finish") and not isinstance(operation.result, Exception):
            write = operation.item if operation.verb.name == "checkpoint" else operation.item.main
            if write is not None and write.checkpoint.finished_at is not None:
                found.append(write)
    return found
