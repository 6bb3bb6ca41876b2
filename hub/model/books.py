"""The books of a hub: what it has accepted, what has become of it, and whether that adds up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in the store that should not be there, or is missing."""

    #: "damage", "balance", "orphan", "stranded" or "overdue".
    kind: str
    #: What it is about: "execution ID", "event ID", "table NAME".
    object: str
    #: A sentence: what is wrong.
    reason: str


@dataclass(frozen=True, slots=True)
class Books:
    """What a check of the store came to."""

    events: int
    #: Executions by status.
    executions: Mapping[str, int]
    #: Whether a process serves this hub now. If none does, nothing is overdue: it waits for one.
    served: bool
    #: The first ones of each kind.
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.findings
