"""What a project's files would change of a hub that is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One thing that is not yet as the files say."""

    kind: Literal["executor", "schedule", "trigger"]
    action: Literal["add", "change", "remove"]
    #: The executor; of a database trigger DATABASE.TABLE.
    name: str
    #: What it comes to, in a few words.
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    changes: tuple[PlannedChange, ...]
    #: Name -> hash of each executor that is added or changed, as it is recorded.
    put: tuple[tuple[str, str], ...]
    #: Executors that are gone.
    gone: tuple[str, ...]
    #: Why a part of it could not be looked at, in sentences.
    troubles: tuple[str, ...] = ()
