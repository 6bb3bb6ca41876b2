"""Suspects: executions whose worker died with them twice in a row. Each is tried by itself, so that only one is to blame.

An execution that takes its process down takes everything down that runs beside it. At the second death in a row all of
these look alike; so they begin again one after the other, and those that live on for a while are cleared of the last one.
Once a suspect has ended the next one begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.store.dialects.base import Tx
from hub.store.verbs import Verb

#: Milliseconds that a suspect is alone with whatever is beyond suspicion, and after which it is cleared.
ALONE = 3_000
#: There are no more turns than that: many suspects share them, so that the last one does not wait for hours.
_MOST_TURNS = 16


@dataclass(frozen=True, slots=True)
class Cleared:
    """It has lived long enough, under this claim, not to be what took its worker down."""

    execution_id: str
    epoch: int


def part_suspects(tx: Tx, now: int) -> int:
    """Of what has just become due after its worker's death, let suspects begin in turns; how many of them wait."""
    suspects = [
        execution
        for (execution,) in tx.rows(
            "SELECT id FROM executions WHERE status = 'RUNNING' AND due_at = ? AND crashes > 0 AND NOT EXISTS "
            "(SELECT 1 FROM checkpoints c WHERE c.execution_id = executions.id AND c.epoch = executions.epoch "
            "AND c.finished_at IS NOT NULL) ORDER BY crashes DESC, id",
            (now,),
        )
    ]
    share = -(-len(suspects) // _MOST_TURNS) or 1
    for turn, start in enumerate(range(0, len(suspects), share)):
        if turn:
            together = suspects[start : start + share]
            tx.run(
                "UPDATE executions SET due_at = ?, reason = 'its worker died with it more than once: it is tried by itself' "
                f"WHERE id IN ({', '.join('?' * len(together))}) AND status = 'RUNNING'",
                (now + turn * ALONE, *together),
            )
    return max(len(suspects) - share, 0)


def _clear(tx: Tx, items: Sequence[Cleared]) -> list[None]:
    for item in items:
        tx.run(
            "UPDATE executions SET crashes = crashes - 1 WHERE id = ? AND epoch = ? AND status = 'RUNNING' AND crashes > 0",
            (item.execution_id, item.epoch),
        )
    return [None] * len(items)


def _begin_next(tx: Tx, items: Sequence[int]) -> list[int]:
    """Those before them have ended: all turns come sooner by what is left of the present one; how many wait."""
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
