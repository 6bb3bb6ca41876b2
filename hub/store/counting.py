"""What this process has made durable since it began, counted: a witness of the store's commits.

Only numbers that go up. They are kept in memory and begin at zero with each process, as counters do that a collector takes the
differences of.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hub.model.clock import Clock, SystemClock
from hub.model.event import StoredEvent
from hub.model.execution import Started, Status
from hub.store.committing import Operation


class Histogram:
    """How often a quantity was at most so large, in buckets as Prometheus has them."""

    def __init__(self, bounds: Sequence[float]) -> None:
        #: Upper bounds, ascending.
        self.bounds = tuple(bounds)
        #: One more than bounds: the last counts what is larger than all of them.
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[float, int]]:
        """(bound, how many were at most that), infinity last."""
        found, so_far = [], 0
        for bound, count in zip((*self.bounds, float("inf")), tuple(self.counts), strict=True):
            so_far += count
            found.append((bound, so_far))
        return found


class Counts:
    """Everything that is counted. Written on the writer's thread, read from any."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        #: When the commit that is being counted was done, milliseconds since 1970 UTC.
        self.now = 0
        #: Kind of source -> seconds that its latest event took from when it happened, or came, until it was durable.
        self.latest: dict[str, float] = {}
        #: (kind of source, "new" or "duplicate") -> events.
        self.events: Counter[tuple[str, str]] = Counter()
        #: Outcome -> deliveries.
        self.deliveries: Counter[str] = Counter()
        self.started = 0
        #: Status in which workers let go of executions -> how often.
        self.settled: Counter[str] = Counter()
        self.calls = 0
        #: Seconds between a slot's instant and its event.
        self.lateness = Histogram((0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 1_800, 3_600, 86_400))
        self.batch = Histogram((1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000))
        self.commit = Histogram((0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5))

    def __call__(self, operations: Sequence[Operation], seconds: float) -> None:
        self.now = self._clock.now()
        self.batch.add(len(operations))
        self.commit.add(seconds)
        for operation in operations:
            count = _COUNTED.get(operation.verb.name)
            if count is not None and not isinstance(operation.result, Exception):
                count(self, operation.item, operation.result)


def _stored(counts: Counts, item: Any, result: Any) -> None:
    if isinstance(result, StoredEvent):
        _events(counts, item.source, 1, item.time, duplicate=result.duplicate)


def _stored_together(counts: Counts, item: Any, result: Any) -> None:
    """They are of a few sources: each is looked at once, since there may be ten thousand a second."""
    latest = {arrival.source: arrival.time for arrival in item}
    alike = Counter(zip([arrival.source for arrival in item], [stored.duplicate for stored in result], strict=True))
    for (source, duplicate), number in alike.items():
        _events(counts, source, number, latest[source], duplicate=duplicate)


def _events(counts: Counts, source: str, number: int, time: int, *, duplicate: bool) -> None:
    """So many of a source, the last of which happened at `time`."""
    kind = source.partition(":")[0]
    counts.events[kind, "duplicate" if duplicate else "new"] += number
    counts.latest[kind] = max(0.0, (counts.now - time) / 1000)


def _dispatched(counts: Counts, item: Any, result: Any) -> None:
    if result:
        counts.deliveries.update(delivery.outcome.value for delivery in item.deliveries)
        counts.started += len(item.starts)


def _slots(counts: Counts, item: Any, _result: Any) -> None:
    for slot in item.slots:
        if slot.event is not None:
            counts.events["schedule", "new"] += 1
            counts.lateness.add(max(0.0, (item.now - slot.at) / 1000))
            counts.latest["schedule"] = max(0.0, (counts.now - slot.at) / 1000)


def _started(counts: Counts, _item: Any, result: Any) -> None:
    counts.started += isinstance(result, Started) and result.created


def _settled(counts: Counts, _item: Any, result: Any) -> None:
    if isinstance(result, Status):
        counts.settled[result.value] += 1


def _call(counts: Counts, _item: Any, _result: Any) -> None:
    counts.calls += 1


def _audited(count: Callable[[Counts, Any, Any], None]) -> Callable[[Counts, Any, Any], None]:
    """Of a verb that writes a record of who asked for it."""
    return lambda counts, item, result: count(counts, item.item, result.value)


_COUNTED: Mapping[str, Callable[[Counts, Any, Any], None]] = {
    "store_event": _stored,
    "store_events": _stored_together,
    "dispatch": _dispatched,
    "record_slots": _slots,
    "start": _started,
    "start_nested": _started,
    "settle": _settled,
    "finish": _settled,
    "cancel": _settled,
    "checkpoint": _call,
    "audited_store_event": _audited(_stored),
    "audited_replay": _audited(_dispatched),
    "audited_start": _audited(_started),
    "audited_cancel": _audited(_settled),
}
