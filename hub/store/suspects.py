"""Suspects: executions whose worker died with them twice in a row, and which may be what killed it.

An execution that takes its process down takes everything down that runs beside it. At the second death in a row all of
these look alike. So they begin again in a few turns, one after the other, beside what is beyond suspicion; a turn is over
when each of it has stored something, has ended, or has lived for a while. The turn with which the worker dies holds the
culprit, and is parted again: a handful of deaths finds one among hundreds. One that was the only suspect on board is it,
unless workers die anyway: then nobody is blamed while that lasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby, zip_longest

from hub.store.dialects.base import Tx
from hub.store.verbs import Verb

#: Milliseconds after which a suspect that has stored nothing is cleared.
ALONE = 3_000
#: Into how many turns suspects are parted.
_TURNS = 4
#: So many deaths with no suspect on board, within so many milliseconds, are a storm: somebody kills workers from outside.
_STORM = 3
_STORM_LASTS = 60_000
#: Under which key `meta` has the last of them.
DEATHS = "worker_deaths"


@dataclass(frozen=True, slots=True)
class Aboard:
    """An execution that its worker died with, having stored nothing under that claim."""

    execution_id: str
    node: str
    #: Deaths in a row that were known when it was claimed: from two on it was claimed as a suspect.
    crashes: int


@dataclass(slots=True)
class Parting:
    """How those who were on board begin again."""

    #: What is not named here begins at once.
    turns: list[list[str]] = field(default_factory=list)
    #: Deaths in a row as they are counted from now on, where that changes. One with two is blamed at its next claim.
    crashes: dict[str, int] = field(default_factory=dict)
    #: Deaths that no suspect explains.
    unexplained: int = 0


@dataclass(frozen=True, slots=True)
class Cleared:
    """It has lived long enough, under this claim, not to be what took its worker down."""

    execution_id: str
    epoch: int


def part(aboard: Sequence[Aboard], dead: int, *, storm: bool) -> Parting:
    """Who is suspected of the deaths of `dead` workers, and in which turns these begin again."""
    parting = Parting(unexplained=dead)
    parted: list[list[list[str]]] = []
    for _, those in groupby(sorted(aboard, key=lambda one: (one.node, one.execution_id)), lambda one: one.node):
        here = [one for one in those if one.crashes]
        tried = [one for one in here if one.crashes > 1]
        if tried:
            parting.unexplained -= 1
            parting.crashes.update((one.execution_id, 0) for one in here if one.crashes == 1)
            if storm or len(tried) > 1:
                parting.crashes.update((one.execution_id, 1) for one in tried)
        parted.append(_split_evenly([one.execution_id for one in tried or here]))
    parting.turns = [list(chain(*together)) for together in zip_longest(*parted, fillvalue=[])]
    return parting


def _split_evenly(suspects: list[str]) -> list[list[str]]:
    turns = min(_TURNS, len(suspects))
    return [suspects[len(suspects) * turn // turns : len(suspects) * (turn + 1) // turns] for turn in range(turns)]


def part_suspects(tx: Tx, now: int) -> int:
    """Of what has just become due after its worker's death, let suspects begin in turns; how many of them wait."""
    tx.lock("suspects")
    ((dead,),) = tx.rows("SELECT count(DISTINCT owner) FROM executions WHERE status = 'RUNNING' AND due_at = ?", (now,))
    aboard = tx.rows(
        "SELECT id, owner, crashes FROM executions WHERE status = 'RUNNING' AND due_at = ? AND crashes > 0 AND NOT EXISTS "
        "(SELECT 1 FROM checkpoints c WHERE c.execution_id = executions.id AND c.epoch = executions.epoch "
        "AND c.finished_at IS NOT NULL)",
        (now,),
    )
    deaths = [at for at in _deaths(tx) if at > now - _STORM_LASTS]
    parting = part([Aboard(*row) for row in aboard], dead, storm=len(deaths) >= _STORM)
    _note_deaths(tx, [*deaths, *[now] * parting.unexplained])
    for crashes in (0, 1):
        counted = [execution for execution, count in parting.crashes.items() if count == crashes]
        _update(tx, "crashes = ?", crashes, counted)
    for turn, together in enumerate(parting.turns[1:], 1):
        why = "due_at = ?, reason = 'its worker died with it more than once: it is tried with few others'"
        # Those before them are cleared first, and then the turn comes sooner.
        _update(tx, why, now + turn * ALONE * 5 // 4, together)
    return sum(map(len, parting.turns[1:]))


def _update(tx: Tx, what: str, value: int, executions: Sequence[str]) -> None:
    if executions:
        which = ", ".join("?" * len(executions))
        tx.run(f"UPDATE executions SET {what} WHERE id IN ({which}) AND status = 'RUNNING'", (value, *executions))


def _deaths(tx: Tx) -> list[int]:
    """When workers died last for which there was no suspect."""
    found = tx.rows("SELECT value FROM meta WHERE key = ?", (DEATHS,))
    return [int(at) for at in found[0][0].split()] if found else []


def _note_deaths(tx: Tx, deaths: Sequence[int]) -> None:
    tx.run(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (DEATHS, " ".join(map(str, deaths[-_STORM:]))),
    )


def _clear(tx: Tx, items: Sequence[Cleared]) -> list[None]:
    for item in items:
        tx.run(
            "UPDATE executions SET crashes = crashes - 1 WHERE id = ? AND epoch = ? AND status = 'RUNNING' AND crashes > 0",
            (item.execution_id, item.epoch),
        )
    return [None] * len(items)


def _begin_next(tx: Tx, items: Sequence[int]) -> list[int]:
    """Those before them are beyond suspicion: all turns come sooner by what is left of the present one; how many wait."""
    answers = []
    for now in items:
        waiting = "status = 'RUNNING' AND due_at > ? AND crashes > 0"
        ((first,),) = tx.rows(f"SELECT min(due_at) FROM executions WHERE {waiting}", (now,))
        moved = 0
        if first is not None:
            moved = tx.run(f"UPDATE executions SET due_at = due_at - ? WHERE {waiting}", (first - now, now))
        answers.append(moved)
    return answers


NEXT_SUSPECT: Verb[int, int] = Verb("next_suspect", _begin_next, rings=("executions",), order=3)
CLEAR: Verb[Cleared, None] = Verb("clear", _clear)
