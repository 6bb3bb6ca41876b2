"""States as people see them: a shape, a tone and a word, the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chip:
    """A state. The shape says it without colour."""

    shape: str
    #: One of waiting, running, success, failed, skipped: a class of the style sheet.
    tone: str
    word: str


_SHAPES = {"waiting": "○", "running": "◐", "success": "●", "failed": "▲", "skipped": "–"}

_TONES = {
    # executions and jobs
    "PENDING": "waiting",
    "WAITING": "waiting",
    "PENDING_RETRY": "waiting",
    "PENDING_RESUME": "waiting",
    "SUSPEND": "waiting",
    "RUNNING": "running",
    "SUCCESS": "success",
    "FAILED": "failed",
    "CANCELED": "skipped",
    # waits
    "RESOLVED": "success",
    "TIMED_OUT": "failed",
    # deliveries
    "started": "success",
    "filtered": "skipped",
    "duplicate": "skipped",
    "missed": "skipped",
    "skipped": "skipped",
    "paused": "waiting",
    "rejected": "failed",
    "failed": "failed",
    # executors
    "enabled": "success",
    "disabled": "skipped",
    # what a check came to, and what an event had to pass
    "stored": "success",
    **dict.fromkeys(
        ("head", "credential", "token", "proof", "signature", "timestamp", "body", "schema", "key"), "success"
    ),
    "ok": "success",
    "done": "success",
    "bad": "failed",
}


def chip(state: str) -> Chip:
    """The chip of an execution's status, a delivery's outcome, a wait's or an executor's state."""
    tone = _TONES.get(str(state), "skipped")
    return Chip(_SHAPES[tone], tone, str(state).replace("_", " ").lower())
