"""What of a workflow may begin, where its limit is for each concurrency key by itself.

Of a key as many run as the limit says, and all its others wait. So that no claim looks at these again and again, whoever is
looked at while its key is full *sinks*: its priority is lowered by more than there are priorities, and it stands behind all that
may begin. Its key is noted (`full_keys`). Each claim asks which of the noted keys have room by now; of these as many as there is
room for *rise* again, and the key is noted anew when one of it is claimed. So at most as many keys are noted as executions run,
and a claim costs as much as that, however many wait.

What has begun before sinks less deep than what has not. Of its key it comes first, too: while its worker was dead it kept its
place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hub.store.dialects.base import Bulk, Many, Row, Tx

#: By how much the priority of what has not begun is lowered, and of what has.
_DEPTH, _DEPTH_BEGUN = 2_000_000, 1_000_000
#: Priorities are above it, unless their execution has sunk.
SUNK = -500_000

#: The priority that an execution was given.
RISEN = (
    f"CASE WHEN executions.priority < {SUNK - _DEPTH_BEGUN} THEN executions.priority + {_DEPTH} "
    f"WHEN executions.priority < {SUNK} THEN executions.priority + {_DEPTH_BEGUN} ELSE executions.priority END"
)

#: How many are looked at until something may begin, and how many when something may: what sinks is written.
_MOST_LOOKED_AT, _LOOKED_AT = 5_000, 500
#: More than there is room for, that are looked at together.
_SPARE = 100
#: How many of one key rise together.
_RISING = 8

_DUE = Many(
    "id:text concurrency_key:text epoch:int due_at:int",
    "FROM executions WHERE workflow = ? AND priority = ? AND due_at IS NOT NULL AND due_at <= ? AND (due_at, id) > (?, ?) "
    "ORDER BY due_at, id LIMIT ?",
)
_NEXT_PRIORITY = f"SELECT max(priority) FROM executions WHERE workflow = ? AND due_at IS NOT NULL AND priority < ? AND priority > {SUNK}"

_RUNNING = (
    "(SELECT count(*) FROM executions e WHERE e.status = 'RUNNING' AND e.workflow = {of}.workflow "
    "AND e.concurrency_key = {of}.concurrency_key AND (e.due_at IS NULL OR e.due_at > {now}))"
)
_RUNNING_OF = Bulk(
    "concurrency_key:text workflow:text now:int",
    f"SELECT v.concurrency_key, {_RUNNING.format(of='v', now='v.now')} FROM v",
)
#: What has begun before and is due again, of the same keys.
_BEGUN_OF = Bulk(
    "concurrency_key:text workflow:text now:int",
    "SELECT v.concurrency_key, -e.priority, e.due_at, e.id FROM v JOIN executions e ON e.workflow = v.workflow "
    "AND e.concurrency_key = v.concurrency_key AND e.due_at <= v.now "
    f"WHERE e.due_at IS NOT NULL AND e.epoch > 0 AND e.concurrency_key <> '' AND e.priority > {SUNK}",
)

_SINK = Bulk(
    "id:text",
    f"UPDATE executions SET priority = executions.priority - CASE executions.epoch WHEN 0 THEN {_DEPTH} "
    f"ELSE {_DEPTH_BEGUN} END FROM v JOIN held h ON h.id = v.id "
    f"WHERE executions.id = v.id AND executions.due_at IS NOT NULL AND executions.priority > {SUNK}",
)
#: Unless somebody has just cancelled it, or given it another key.
_RISE = Bulk(
    "id:text concurrency_key:text",
    f"UPDATE executions SET priority = {RISEN} FROM v JOIN held h ON h.id = v.id WHERE executions.id = v.id "
    "AND executions.due_at IS NOT NULL AND executions.concurrency_key = v.concurrency_key",
)

_OF_KEY = "e.workflow = v.workflow AND e.concurrency_key = v.concurrency_key"
_SUNK_OF_KEY = f"FROM executions e WHERE {_OF_KEY} AND e.due_at IS NOT NULL AND e.priority < {SUNK}"


def _first_sunk(count: int) -> Bulk:
    """The first so many that have sunk of each key, in the order in which they may begin."""
    each = [
        f"(SELECT e.id {_SUNK_OF_KEY} ORDER BY e.priority DESC, e.due_at, e.id LIMIT 1 OFFSET {place})"
        for place in range(count)
    ]
    return Bulk("concurrency_key:text workflow:text", f"SELECT v.concurrency_key, {', '.join(each)} FROM v")


_FIRST_SUNK = {1: _first_sunk(1), _RISING: _first_sunk(_RISING)}

_NOTED_WITH_ROOM = (
    "SELECT concurrency_key, running FROM (SELECT f.concurrency_key, "
    f"{_RUNNING.format(of='f', now='?')} AS running FROM full_keys f WHERE f.workflow = ?) noted WHERE running < ?"
)
_NOTE = Bulk(
    "workflow:text concurrency_key:text",
    "INSERT INTO full_keys (workflow, concurrency_key) SELECT v.workflow, v.concurrency_key FROM v "
    f"WHERE EXISTS (SELECT 1 {_SUNK_OF_KEY}) ON CONFLICT DO NOTHING",
)
_NOTED = "SELECT 1 FROM full_keys WHERE workflow = ? LIMIT 1"
_NOTE_SOME = (
    "INSERT INTO full_keys (workflow, concurrency_key) SELECT DISTINCT workflow, concurrency_key FROM "
    "(SELECT workflow, concurrency_key FROM executions WHERE workflow = ? AND due_at IS NOT NULL "
    f"AND priority < {SUNK} ORDER BY workflow, concurrency_key LIMIT {_LOOKED_AT}) sunk WHERE true ON CONFLICT DO NOTHING"
)
_FORGET = Bulk(
    "concurrency_key:text workflow:text",
    "DELETE FROM full_keys WHERE (workflow, concurrency_key) IN (SELECT workflow, concurrency_key FROM v)",
)


@dataclass(slots=True)
class _Key:
    """What of one key may begin in a claim."""

    #: Room for what has not begun before.
    room: int
    #: What has, and may go on.
    again: frozenset[str] = frozenset()
    #: What has, and has to wait.
    later: frozenset[str] = frozenset()

    def takes(self, execution_id: str) -> bool:
        if execution_id in self.again:
            return True
        if execution_id in self.later or self.room <= 0:
            return False
        self.room -= 1
        return True


def may_begin(tx: Tx, workflow: str, limit: int, room: int, now: int) -> list[str]:
    """Due executions of the workflow, `limit` of each key with what runs, and `room` in all: the most urgent first."""
    keys: dict[str, _Key] = {}
    taken: list[str] = []
    taken_of: set[str] = set()
    sinking: dict[str, str] = {}
    for rows in _due_by_priority(tx, workflow, now, room + _SPARE):
        new = sorted({row[1] for row in rows} - keys.keys())
        keys |= _read_keys(tx, [(key, workflow, now) for key in new], limit)
        for identifier, key, _, _ in rows:
            if len(taken) == room:
                break
            if keys[key].takes(identifier):
                taken.append(identifier)
                taken_of.add(key)
            else:
                sinking[identifier] = key
        looked_at = len(taken) + len(sinking)
        if len(taken) == room or looked_at >= (_LOOKED_AT if taken else _MOST_LOOKED_AT):
            break
    if sinking:
        tx.put(_SINK, [(identifier,) for identifier in sorted(sinking)])
    note_keys(tx, workflow, taken_of.union(sinking.values()))
    if not taken and not tx.rows(_NOTED, (workflow,)):
        # Should a process of an earlier version have claimed what had risen, nobody has noted its key.
        tx.run(_NOTE_SOME, (workflow,))
    return taken


def rise(tx: Tx, workflow: str, limit: int, now: int) -> None:
    """Of keys that were full and have room by now, as many as that may begin again."""
    roomy = [(key, limit - running) for key, running in tx.rows(_NOTED_WITH_ROOM, (now, workflow, limit))]
    if not roomy:
        return
    asked = [(key, workflow) for key, _ in roomy]
    room = dict(roomy)
    first = tx.bulk(_FIRST_SUNK[1 if limit == 1 else _RISING], asked)
    rising = [(one, key) for key, *sunk in first for one in sunk[: room[key]] if one is not None]
    if rising and tx.bulk_count(_RISE, rising) < len(rising):
        return  # the room is another's now: the keys stay noted, and the next claim asks again
    tx.put(_FORGET, asked)


def note_keys(tx: Tx, workflow: str, keys: set[str]) -> None:
    """Something of these keys is about to run or to go: the next claim looks who may begin in its place."""
    if keys:
        tx.put(_NOTE, [(workflow, key) for key in sorted(keys)])


def note_key(tx: Tx, execution_id: str) -> None:
    """The same for the key of an execution that goes, though it was not claimed."""
    for workflow, key in tx.rows("SELECT workflow, concurrency_key FROM executions WHERE id = ?", (execution_id,)):
        if key:
            note_keys(tx, workflow, {key})


def given_priority(stored: int) -> int:
    """The priority that an execution was given, from the one that is stored."""
    if stored > SUNK:
        return stored
    return stored + (_DEPTH if stored < SUNK - _DEPTH_BEGUN else _DEPTH_BEGUN)


def _due_by_priority(tx: Tx, workflow: str, now: int, size: int) -> Iterator[list[Row]]:
    """What is due and has not sunk, so many at a time."""
    priority: int = -SUNK
    while (priority := tx.rows(_NEXT_PRIORITY, (workflow, priority))[0][0]) is not None:
        rows = tx.many(_DUE, (workflow, priority, now, -1, "", size))
        while rows:
            yield rows
            if len(rows) < size:
                break
            rows = tx.many(_DUE, (workflow, priority, now, rows[-1][3], rows[-1][0], size))


def _read_keys(tx: Tx, asked: Sequence[Row], limit: int) -> dict[str, _Key]:
    """Read what runs of these keys, and what is due again: what of them may begin."""
    if not asked:
        return {}
    begun: dict[str, list[Row]] = {key: [] for key, _, _ in asked}
    for key, *place in tx.bulk(_BEGUN_OF, asked):
        begun[key].append(tuple(place))
    found = {}
    for key, running in tx.bulk(_RUNNING_OF, asked):
        room = max(limit - running, 0)
        before = [identifier for _, _, identifier in sorted(begun[key])]
        found[key] = _Key(max(room - len(before), 0), frozenset(before[:room]), frozenset(before[room:]))
    return found
