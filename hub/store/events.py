"""Verbs of events and deliveries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, islice
from typing import Any, NamedTuple

from hub.model.clock import new_id
from hub.model.event import Delivery, Event, NewEvent, Outcome, StoredEvent
from hub.model.execution import StartRequest
from hub.model.values import compact, parse
from hub.store.dialects.base import BodyClaim, Bulk, Row, Tx
from hub.store.executions import insert_executions
from hub.store.overlap import Admitted, start_by_policy
from hub.store.tables import DISPATCHED, NEW
from hub.store.verbs import Mixed, Verb


class Arrival(NamedTuple):
    """A new event as the row that is written of it, with the id that it gets if nobody was first.

    Made by the caller: while the writer makes rows, it stands in the way of the loop.
    """

    id: str
    source: str
    key: str | None
    type: str
    namespace: str
    model: str
    time: int
    received_at: int
    #: JSON list of names.
    executors: str
    state: int
    body_key: str | None
    key_until: int | None
    #: JSON.
    payload: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Dispatched:
    """An event held against the executors: its deliveries, and what they start."""

    event_id: str
    deliveries: tuple[Delivery, ...]
    starts: tuple[StartRequest, ...]


_INSERT_NEW = Bulk(
    "id:text source:text key:text type:text namespace:text model:text time:int received_at:int executors:text state:int "
    "body_key:text key_until:int payload:text body:bytes",
    "INSERT INTO events (id, source, key, type, namespace, model, time, received_at, executors, state, body_key, key_until, "
    "payload, body) SELECT id, source, key, type, namespace, model, time, received_at, executors, state, body_key, key_until, "
    "payload, body FROM v",
)

_INSERT_EVENTS = Bulk(_INSERT_NEW.columns, f"{_INSERT_NEW.body} WHERE{Bulk.FREE_BODY}ON CONFLICT DO NOTHING")

_NOT_STORED = Bulk("id:text", "SELECT v.id FROM v LEFT JOIN events ON events.id = v.id WHERE events.id IS NULL")

_INSERT_DELIVERIES = Bulk(
    "id:text event_id:text executor:text outcome:text reason:text execution_id:text created_at:int evaluation:text",
    "INSERT INTO deliveries (id, event_id, executor, outcome, reason, execution_id, created_at, evaluation) "
    "SELECT id, event_id, executor, outcome, reason, execution_id, created_at, evaluation FROM v WHERE true "
    "ON CONFLICT (id) DO NOTHING",
)

_MARK_DISPATCHED = Bulk(
    "id:text",
    "UPDATE events SET state = 1 FROM v WHERE events.id = v.id AND events.state = 0",
)


def store_arrivals(tx: Tx, arrivals: Sequence[Arrival]) -> list[StoredEvent]:
    """Insert the events; one whose (source, key) or (source, body_key) is there already is answered with the first one's id."""
    if tx.put_new(_INSERT_NEW, arrivals):
        return [StoredEvent(arrival.id, duplicate=False) for arrival in arrivals]
    late = tx.bodies.claim([_claim(arrival) for arrival in arrivals])
    fresh = [arrival for arrival in arrivals if arrival.id not in late] if late else arrivals
    if tx.bulk_count(_INSERT_EVENTS, fresh) == len(arrivals):
        return [StoredEvent(arrival.id, duplicate=False) for arrival in arrivals]
    refused = {row[0] for row in tx.bulk(_NOT_STORED, [(arrival.id,) for arrival in arrivals])}
    repeated: list[Delivery] = []
    answers = [
        _repetition(tx, arrival, repeated) if arrival.id in refused else StoredEvent(arrival.id, duplicate=False)
        for arrival in arrivals
    ]
    if repeated:
        insert_deliveries(tx, repeated)
    return answers


def _store_together(tx: Tx, items: Sequence[Sequence[Arrival]]) -> list[list[StoredEvent]]:
    stored = iter(store_arrivals(tx, list(chain.from_iterable(items))))
    return [list(islice(stored, len(arrivals))) for arrivals in items]


def event_of(row: Row) -> Event:
    """A row of `Undispatched`."""
    identifier, source, key, kind, time, received_at, payload, namespace, model, body, executors = row
    return Event(
        identifier,
        source,
        key,
        kind,
        time,
        received_at,
        parse(payload),
        namespace,
        model,
        body,
        tuple(parse(executors)),
    )


def insert_deliveries(tx: Tx, deliveries: Sequence[Delivery]) -> None:
    tx.put(_INSERT_DELIVERIES, [_delivery_row(delivery) for delivery in deliveries])


def _repetition(tx: Tx, arrival: Arrival, deliveries: list[Delivery]) -> StoredEvent:
    tx.bodies.refused(_claim(arrival))
    first, body = _first(tx, arrival)
    if not first:
        # Its keys were taken, and their time is over.
        tx.bodies.take(_claim(arrival))
        if tx.bulk_count(_INSERT_EVENTS, [arrival]):
            return StoredEvent(arrival.id, duplicate=False)
        first, body = _first(tx, arrival)  # another node has just used them
    if not first:
        raise RuntimeError(f"the event id {arrival.id} was given out twice.")
    conflict = body is not None and bytes(body) != arrival.body
    kept = first
    if conflict:
        # Kept whole for a person to look at, without a key and never dispatched.
        tx.bulk(_INSERT_EVENTS, [arrival._replace(key=None, body_key=None, state=DISPATCHED)])
        kept = arrival.id
    reason = (
        f'the delivery id "{arrival.key}" was used before, by event {first}, with another body.'
        if conflict
        else f'the delivery id "{arrival.key}" was accepted before, as event {first}.'
    )
    if arrival.body_key is not None and not conflict:
        reason = f"this delivery was accepted before, as event {first}."
    deliveries += [
        Delivery(f"{kept}.{executor}~{arrival.id}", kept, executor, Outcome.DUPLICATE, reason, arrival.received_at)
        for executor in parse(arrival.executors)
    ]
    return StoredEvent(first, duplicate=True, conflict=conflict)


def _holders(tx: Tx, arrival: Arrival) -> Iterator[Row]:
    question = "SELECT id, body, key_until FROM events WHERE"
    if arrival.key is not None:
        yield from tx.rows(f"{question} source = ? AND key = ?", (arrival.source, arrival.key))
    if arrival.body_key is not None:
        for holder in tx.bodies.holders(_claim(arrival)):
            yield from tx.rows(f"{question} id = ? AND body_key = ?", (holder, arrival.body_key))


def _claim(arrival: Arrival) -> BodyClaim:
    return arrival.id, arrival.source, arrival.body_key


def _first(tx: Tx, arrival: Arrival) -> tuple[str, bytes | None]:
    """The event that holds one of the keys, and its body; "" when nobody does any more.

    Keys whose time is over are taken from their event. The sender's id comes first: only it can be used with another body.
    """
    for identifier, body, until in _holders(tx, arrival):
        if until is None or until > arrival.received_at:
            return identifier, body
        tx.run("UPDATE events SET key = NULL, body_key = NULL WHERE id = ?", (identifier,))
    return "", None


def _record_dispatched(tx: Tx, items: Sequence[Dispatched]) -> list[bool]:
    """Deliveries and executions of events that nobody has dispatched yet; False: somebody has."""
    won = tx.bulk_count(_MARK_DISPATCHED, [(item.event_id,) for item in items])
    if won != len(items):
        if won:
            raise Mixed
        return [False] * len(items)
    starts = [start for item in items for start in item.starts if start.overlap == "allow"]
    if starts:
        insert_executions(tx, starts)
    told = {start.id: start_by_policy(tx, start) for item in items for start in item.starts if start.overlap != "allow"}
    deliveries = [_as_admitted(delivery, told) for item in items for delivery in item.deliveries]
    if deliveries:
        insert_deliveries(tx, deliveries)
    return [True] * len(items)


def _as_admitted(delivery: Delivery, told: Mapping[str, Admitted]) -> Delivery:
    """A delivery whose execution was started, queued or not by its executor's policy."""
    admitted = told.get(delivery.execution_id or "")
    if admitted is None or admitted.told is None:
        return delivery
    if admitted.started:
        return replace(delivery, reason=f"{delivery.reason} {admitted.told[0].upper()}{admitted.told[1:]}")
    return replace(delivery, outcome=Outcome.SKIPPED, reason=admitted.told, execution_id=None)


@lru_cache(maxsize=1024)
def _names(executors: tuple[str, ...]) -> str:
    """As JSON. Webhooks are for the same few over and over."""
    return compact(executors)


def _delivery_row(delivery: Delivery) -> tuple[object, ...]:
    return (
        delivery.id,
        delivery.event_id,
        delivery.executor,
        delivery.outcome.value,
        delivery.reason,
        delivery.execution_id,
        delivery.created_at,
        compact(delivery.evaluation),
    )


def arrival(event: NewEvent, now: int, identifier: str | None = None) -> Arrival:
    """`now`: when it came, in milliseconds since 1970 UTC."""
    return Arrival(
        identifier or new_id(now),
        event.source,
        event.key,
        event.type,
        event.namespace,
        event.model,
        event.time,
        now,
        _names(event.executors),
        NEW,
        event.body_key,
        None if event.window is None else now + event.window,
        compact(event.payload),
        event.body,
    )


def sent(made: Arrival) -> tuple[list[Any], bytes]:
    """An arrival for another process: values for JSON, and bytes, which need not be escaped. It has a body."""
    payload = made.payload.encode()
    return [*made[:-2], len(payload)], payload + (made.body or b"")


def received(row: Sequence[Any], data: bytes) -> Arrival:
    """What another process has `sent`."""
    *values, length = row
    return Arrival._make((*values, data[:length].decode(), data[length:]))


STORE_EVENT: Verb[Arrival, StoredEvent] = Verb("store_event", store_arrivals, rings=("events",))
#: Several at once, all or none: what each caller costs, however little he wants, is had once for all of them.
STORE_EVENTS: Verb[Sequence[Arrival], Sequence[StoredEvent]] = Verb("store_events", _store_together, rings=("events",))
DISPATCH: Verb[Dispatched, bool] = Verb("dispatch", _record_dispatched, rings=("executions",))
#: The same where executions may be canceled by it.
DISPATCH_CANCELING: Verb[Dispatched, bool] = Verb(
    "dispatch_canceling", _record_dispatched, rings=("executions", "canceled")
)
