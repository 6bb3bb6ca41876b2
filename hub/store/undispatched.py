"""What dispatch takes next: new events, the oldest first, but of each source its share.

Mostly all that is new is one batch. When there is more, the oldest ones may all be of one source that floods; then every source
gives as many of its own as any other, and what is left of the batch goes to the oldest. A source costs a few steps into an
index, however many events wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hub.store.dialects.base import Many, Row, Tx
from hub.store.verbs import Verb

#: Sources that share a batch. Where more of them wait, they take turns.
_SHARING = 40

_COLUMNS = (
    "id:text source:text key:text type:text time:int received_at:int payload:text namespace:text model:text body:bytes "
    "executors:text"
)

_OLDEST = Many(_COLUMNS, "FROM events WHERE state = 0 ORDER BY id LIMIT ?")

#: Sources of new events behind a name, each one step behind the one before.
_SOURCES = (
    "SELECT lane FROM (WITH RECURSIVE waiting(lane) AS (SELECT min(source) FROM events WHERE state = 0 AND source > ? "
    "UNION ALL SELECT (SELECT min(source) FROM events WHERE state = 0 AND source > waiting.lane) FROM waiting "
    "WHERE waiting.lane IS NOT NULL) SELECT lane FROM waiting WHERE lane IS NOT NULL LIMIT ?) lanes"
)

#: The oldest of each of these sources: the share is the first parameter. Compared and ordered as rows of the one index that
#: knows of sources, which leaves a planner no other one: by ids alone it would walk past the flood.
_SHARES = Many(
    _COLUMNS,
    "FROM (SELECT lane, COALESCE((SELECT l.id FROM events l WHERE l.state = 0 AND (l.source, l.id) >= (lane, '') "
    "AND (l.source, l.id) < (lane, '~') ORDER BY l.source, l.id LIMIT 1 OFFSET ? - 1), '~') AS last "
    f"FROM ({_SOURCES}) named) shares JOIN events ON events.state = 0 "
    "AND (events.source, events.id) >= (shares.lane, '') AND (events.source, events.id) <= (shares.lane, shares.last)",
)


@dataclass(frozen=True, slots=True)
class Look:
    limit: int
    #: The source that was served last, when not all of them were.
    behind: str = ""


class Undispatched(NamedTuple):
    #: In the order of their ids.
    rows: list[Row]
    #: Executors that are paused, if there are any events.
    paused: set[str]
    #: For the next look.
    behind: str


def _undispatched(tx: Tx, looks: Sequence[Look]) -> list[Undispatched]:
    """A read among the verbs: every event waits for it, and a session would take ten times as long. Paused executors are
    read behind the events, so that a pause holds for every event that came after it.
    """
    found = []
    for look in looks:
        rows, behind = _batch(tx, look)
        paused = tx.rows("SELECT executor FROM executor_states WHERE paused = 1") if rows else []
        found.append(Undispatched(rows, {executor for (executor,) in paused}, behind))
    return found


def _batch(tx: Tx, look: Look) -> tuple[list[Row], str]:
    oldest = tx.many(_OLDEST, (look.limit,))
    if len(oldest) < look.limit:
        return oldest, ""
    behind, most = look.behind, min(_SHARING, look.limit)
    sources = tx.rows(_SOURCES, (behind, most))
    if not sources:
        behind = ""
        sources = tx.rows(_SOURCES, (behind, most))
    if len(sources) == 1 and not behind:
        return oldest, ""
    fair = {row[0]: row for row in tx.many(_SHARES, (look.limit // len(sources), behind, most))}
    for row in oldest:
        if len(fair) >= look.limit:
            break
        fair[row[0]] = row
    return [fair[identifier] for identifier in sorted(fair)], sources[-1][0] if len(sources) == most else ""


UNDISPATCHED: Verb[Look, Undispatched] = Verb("undispatched", _undispatched, order=5)
