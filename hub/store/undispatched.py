"""What dispatch takes next: new events, the oldest first, but of each source its share.

Mostly all that is new is one batch. When there is more, most of it may be of one source that floods; then every source
gives as many of its own as any other, and what is left of the batch goes to the oldest of them. A source costs a few steps into
an index, however many events wait. Whoever looks may also leave out sources that flood, and take what the others have sent.

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

#: In the order of the one index that knows of new events: with fewer than the limit these are all that there are.
_ANY = Many(_COLUMNS, "FROM events WHERE state = 0 ORDER BY source, id LIMIT ?")

#: The characters of identifiers, in their order.
_CHARACTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

#: Sources of new events behind a name, each one step behind the one before.
_BEHIND = (
    "WITH RECURSIVE waiting(lane) AS (SELECT min(source) FROM events WHERE state = 0 AND source > {name} "
    "UNION ALL SELECT (SELECT min(source) FROM events WHERE state = 0 AND source > waiting.lane) FROM waiting "
    "WHERE waiting.lane IS NOT NULL) SELECT lane FROM waiting WHERE lane IS NOT NULL"
)
_SOURCES = f"SELECT lane FROM ({_BEHIND.format(name='?')} LIMIT ?) lanes"

#: The id of the oldest event that is new, by the oldest one of each source; `behind` is "".
OLDEST = (
    "SELECT min((SELECT min(id) FROM events WHERE state = 0 AND source = lane)) "
    f"FROM ({_BEHIND.format(name=':behind')}) lanes"
)

#: The oldest of one source. Compared and ordered as rows of the index, which leaves a planner no other one.
_OLDEST_OF_ONE = (
    "SELECT source, id FROM events WHERE state = 0 AND (source, id) >= (?, '') AND (source, id) < (?, '~') "
    "ORDER BY source, id LIMIT ?"
)


@lru_cache(maxsize=_SHARING)
def _oldest_of_each(sources: int) -> Many:
    """Of so many sources, those whose identifiers end within two characters."""
    arms = " UNION ALL ".join(f"SELECT * FROM ({_OLDEST_OF_ONE}) a{place}" for place in range(sources))
    return Many("source:text id:text", f"FROM ({arms}) found WHERE substr(id, 26, 1) >= ? AND substr(id, 26, 1) <= ?")


@lru_cache(maxsize=_SHARING)
def _these(events: int) -> Many:
    return Many(_COLUMNS, f"FROM events WHERE id IN ({', '.join('?' * events)})")


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
        others = [name for name in _sources(tx, "", min(_SHARING, look.limit)) if name not in look.crowd]
        return _rows(tx, _shares(tx, look, others, look.part)[0]), look.behind
    some = tx.many(_ANY, (look.limit,))
    if len(some) < look.limit:
        return sorted(some), ""
    most = min(_SHARING, look.limit)
    sources = _sources(tx, look.behind, most)
    if look.behind and len(sources) < most:
        sources += [name for name in _sources(tx, "", most - len(sources)) if name not in sources]
    if len(sources) == 1 < most and look.part.of == 1:
        return some, ""
    ids = _fair_batch(tx, look, sources, look.part) if look.part.of > 1 else []
    ids = ids or _fair_batch(tx, look, sources, WHOLE)
    return _rows(tx, ids), sources[-1] if len(sources) == most else ""


def _sources(tx: Tx, behind: str, most: int) -> list[str]:
    return [name for (name,) in tx.rows(_SOURCES, (behind, most))]


def _fair_batch(tx: Tx, look: Look, sources: Sequence[str], part: Part) -> list[str]:
    """The oldest of each source, then the oldest of what is left of these."""
    taken, left = _shares(tx, look, sources, part)
    return taken + sorted(left)[: look.limit - len(taken)]


def _shares(tx: Tx, look: Look, sources: Sequence[str], part: Part) -> tuple[list[str], list[str]]:
    """Identifiers: of each source as many as of any other, and what these sources have beside them."""
    if not sources:
        return [], []
    window, share = look.limit * part.of, max(1, look.limit // len(sources))
    asked = [given for source in sources for given in (source, source, window)]
    of_each: dict[str, list[str]] = {source: [] for source in sources}
    for source, identifier in tx.many(_oldest_of_each(len(sources)), (*asked, *part.ends)):
        of_each[source].append(identifier)
    taken, left = [], []
    for ids in of_each.values():
        ids.sort()
        taken += ids[:share]
        left += ids[share:]
    return taken[: look.limit], left


def _rows(tx: Tx, ids: Sequence[str]) -> list[Row]:
    return sorted(tx.many(_these(len(ids)), ids)) if ids else []


UNDISPATCHED: Verb[Look, Undispatched] = Verb("undispatched", _undispatched, order=5)
