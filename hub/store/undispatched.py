"""What dispatch takes next: new events, the oldest first, but of each source its share.

Mostly all that is new is one batch. When there is more, the oldest ones may all be of one source that floods; then every source
gives as many of its own as any other, and what is left of the batch goes to the oldest. A source costs a few steps into an
index, however many events wait. Whoever looks may also leave out sources that flood, and take what the others have sent.

Several nodes may look at the same time. Recording what became of an event is exclusive, evaluating it is not: so that they do not
all evaluate the same, each has a part of the identifiers, by their last character, and takes of others only where it finds
nothing of its own. What a dead node would have taken, the others come to by that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
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

#: The characters of identifiers, in their order.
_CHARACTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

#: Sources of new events behind a name, each one step behind the one before.
_SOURCES = (
    "SELECT lane FROM (WITH RECURSIVE waiting(lane) AS (SELECT min(source) FROM events WHERE state = 0 AND source > ? "
    "UNION ALL SELECT (SELECT min(source) FROM events WHERE state = 0 AND source > waiting.lane) FROM waiting "
    "WHERE waiting.lane IS NOT NULL) SELECT lane FROM waiting WHERE lane IS NOT NULL LIMIT ?) lanes"
)

#: The oldest of one source. Compared and ordered as rows of the one index that knows of sources, which leaves a planner no
#: other one: by ids alone it would walk past the flood.
_OLDEST_OF_ONE = (
    "SELECT {names} FROM events WHERE state = 0 AND (source, id) >= (?, '') AND (source, id) < (?, '~') "
    "ORDER BY source, id LIMIT ?"
)
_IN_PART = "substr(id, 26, 1) >= ? AND substr(id, 26, 1) <= ?"


@lru_cache(maxsize=_SHARING)
def _oldest_of_each(sources: int) -> Many:
    """Of so many sources, those whose identifiers end within two characters."""
    arm = _OLDEST_OF_ONE.format(names=", ".join(_OLDEST.names))
    arms = " UNION ALL ".join(f"SELECT * FROM ({arm}) a{place}" for place in range(sources))
    return Many(_COLUMNS, f"FROM ({arms}) found WHERE {_IN_PART}")


_OLDEST_OF_PART = Many(_COLUMNS, f"FROM (SELECT {', '.join(_OLDEST.names)} {_OLDEST.body}) found WHERE {_IN_PART}")


@dataclass(frozen=True, slots=True)
class Part:
    """The part of one node: its place among so many, from 0 on."""

    place: int = 0
    of: int = 1

    @property
    def ends(self) -> tuple[str, str]:
        """The last characters of its identifiers, from the first to the last one."""
        of = min(self.of, len(_CHARACTERS))
        place, each = self.place % of, len(_CHARACTERS) / of
        return _CHARACTERS[round(place * each)], _CHARACTERS[round((place + 1) * each) - 1]


#: Of a node that is alone.
WHOLE = Part()


@dataclass(frozen=True, slots=True)
class Look:
    limit: int
    #: The source that was served last, when not all of them were.
    behind: str = ""
    #: What this node takes first.
    part: Part = WHOLE
    #: Sources that wait until the others have had their turn: nothing of them, and of the others no more than their share.
    crowd: frozenset[str] = frozenset()


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
    if look.crowd:
        others = [name for (name,) in tx.rows(_SOURCES, ("", min(_SHARING, look.limit))) if name not in look.crowd]
        return _share_of_each(tx, look, others, look.part) if others else [], look.behind
    oldest = tx.many(_OLDEST, (look.limit,))
    if len(oldest) < look.limit:
        return oldest, ""
    behind, most = look.behind, min(_SHARING, look.limit)
    sources = tx.rows(_SOURCES, (behind, most))
    if not sources:
        behind = ""
        sources = tx.rows(_SOURCES, (behind, most))
    if len(sources) == 1 < most and not behind and look.part.of == 1:
        return oldest, ""
    names = [name for (name,) in sources]
    rows = _fair_batch(tx, look, names, look.part) if look.part.of > 1 else []
    return rows or _fair_batch(tx, look, names, WHOLE), names[-1] if len(names) == most else ""


def _fair_batch(tx: Tx, look: Look, sources: Sequence[str], part: Part) -> list[Row]:
    """The oldest of each source, then the oldest of all, in a window that has room for every node's part."""
    found = {row[0]: row for row in _share_of_each(tx, look, sources, part)}
    if len(found) < look.limit:
        for row in tx.many(_OLDEST_OF_PART, (look.limit * part.of, *part.ends)):
            if len(found) < look.limit:
                found[row[0]] = row
    return [found[identifier] for identifier in sorted(found)]


def _share_of_each(tx: Tx, look: Look, sources: Sequence[str], part: Part) -> list[Row]:
    share = look.limit * part.of // len(sources)
    asked = [given for source in sources for given in (source, source, share)]
    return sorted(tx.many(_oldest_of_each(len(sources)), (*asked, *part.ends))[: look.limit])


UNDISPATCHED: Verb[Look, Undispatched] = Verb("undispatched", _undispatched, order=5)
