"""Replay: history in, what to do next out. Pure: it knows no database, no clock and no loop."""

from __future__ import annotations

from dataclasses import dataclass

from hub.model.errors import ArgumentHashMismatch
from hub.model.execution import Checkpoint, JobStatus

_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Perform:
    """Nothing is stored: do it. `attempts` tries were counted before."""

    attempts: int = 0


@dataclass(frozen=True, slots=True)
class GiveBack:
    """It is done: this is its result, as JSON text."""

    result: str


@dataclass(frozen=True, slots=True)
class RaiseAgain:
    """It failed for good in this attempt: this is its error, as JSON text."""

    error: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """It began, is at most once, and nobody knows what became of it: it must not be performed."""

    stored: Checkpoint


_FOR_THE_FIRST_TIME = Perform()

Decision = Perform | GiveBack | RaiseAgain | Unknown


def decide(stored: Checkpoint | None, call: Checkpoint, *, base_epoch: int, at_most_once: bool = False) -> Decision:
    """What a call comes to, given what is stored at its path.

    A success is final. A failure is final when the caller caught it, or when it belongs to the present attempt;
    otherwise a retry or a resume has begun since, and it runs again, with other arguments too: code that called it
    wrongly can be mended. A call that is at most once is performed only when it never began, or a person said so: every failure
    of it is final, and one that was under way is unknown. Raises ArgumentHashMismatch when the stored call is a different one.
    """
    if stored is None:
        return _FOR_THE_FIRST_TIME
    final = stored.handled or at_most_once or stored.epoch >= base_epoch
    if stored.status is JobStatus.FAILED and not final:
        return Perform(stored.attempts)
    if stored.name != call.name or stored.args_hash != call.args_hash:
        raise ArgumentHashMismatch(call.name, call.path, _short(stored.args), _short(call.args))
    if stored.status is JobStatus.SUCCESS and stored.result is not None:
        return GiveBack(stored.result)
    if stored.status is JobStatus.FAILED and stored.error is not None:
        return RaiseAgain(stored.error)
    if at_most_once and stored.status is not JobStatus.SUSPEND:
        return Unknown(stored)
    return Perform(stored.attempts)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
