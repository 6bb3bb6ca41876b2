"""Metrics in Prometheus' text format: what was counted since the process began, and how things stand as they are asked for.

See https://prometheus.io/docs/instrumenting/exposition_formats/. No label holds a name that people choose, so that the number of
series is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from hub.api.live import Live
from hub.api.operations import PUBLIC, Call, Operation
from hub.model.clock import Clock
from hub.model.rights import require
from hub.store import Store
from hub.store.counting import Counts, Histogram

#: Executions of one status are counted so far.
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How things stand at one moment: what gauges show."""

    #: Status -> executions that have not ended.
    executions: Mapping[str, int]
    #: Seconds.
    oldest_event: float
    schedule_lag: float
    #: Seconds until the lease of each living node ends.
    leases: list[float]
    followers: int
    troubles: int
    #: Seconds.
    oldest_transaction: float


class Metrics:
    """Collects the metrics, and writes them in the text format."""

    def __init__(
        self, store: Store, clock: Clock, counts: Counts, live: Live, troubles: Callable[[], list[str]]
    ) -> None:
        self._store = store
        self._clock = clock
        self._counts = counts
        self._live = live
        self._troubles = troubles

    async def text(self) -> bytes:
        """Everything, as Prometheus reads it. Raises StoreUnavailable."""
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(_Families([*_counters(self._counts), *_gauges(await self._snapshot())]))
        return generate_latest(registry)

    async def _snapshot(self) -> Snapshot:
        now, store = self._clock.now(), self._store
        oldest = await store.oldest_new_event()
        first = await store.next_schedules(1)
        lingering = await store.oldest_transaction()
        late = now - (first[0].next_fire_at or now) if first and not first[0].paused else 0
        return Snapshot(
            executions=await store.open_executions(_MOST),
            oldest_event=0.0 if oldest is None else max(0.0, (now - oldest) / 1000),
            schedule_lag=max(0.0, late / 1000),
            leases=[(node.lease_until - now) / 1000 for node in await store.nodes() if node.alive],
            followers=self._live.following,
            troubles=len(self._troubles()),
            oldest_transaction=0.0 if lingering is None else lingering.seconds,
        )


def metrics_operations(metrics: Metrics, *, public: bool = False) -> tuple[Operation, ...]:
    """`GET /metrics`. `public`: for everybody, without a token."""

    async def show(call: Call) -> Any:
        if not public:
            require(call.principal, "metrics:read", "")
        return Response(await metrics.text(), headers={"content-type": CONTENT_TYPE_PLAIN_1_0_0})

    return (
        Operation(
            method="GET",
            path="/metrics",
            id="getMetrics",
            summary="The hub's metrics, in Prometheus' text format.",
            action=PUBLIC if public else "metrics:read",
            handle=show,
            answer={"type": "string"},
            answer_type="text/plain",
            problems={503: "The store could not be asked in time. Try again later."} if public else {},
        ),
    )


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def _counters(counts: Counts) -> list[Metric]:
    return [
        _labelled_counter(
            "hub_events",
            "Events that came, by what noticed them",
            ("kind", "result"),
            {(kind, result): value for (kind, result), value in dict(counts.events).items()},
        ),
        _labelled_counter(
            "hub_deliveries",
            "Events that met an executor, by outcome",
            ("outcome",),
            {(key,): value for key, value in dict(counts.deliveries).items()},
        ),
        CounterMetricFamily("hub_executions_started", "Executions that were started", counts.started),
        _labelled_counter(
            "hub_executions_settled",
            "Times that an execution was let go of, by the status in which it was",
            ("status",),
            {(key,): value for key, value in dict(counts.settled).items()},
        ),
        CounterMetricFamily("hub_calls_finished", "Calls of jobs whose results were stored", counts.calls),
        _histogram("hub_schedule_lateness_seconds", "From a slot's instant to its event", counts.lateness),
        _histogram("hub_writer_batch_operations", "Operations that were committed together", counts.batch),
        _histogram("hub_writer_commit_seconds", "Time that a transaction took, flush included", counts.commit),
    ]


def _gauges(now: Snapshot) -> list[Metric]:
    executions = GaugeMetricFamily(
        "hub_executions", f"Executions that have not ended, each status up to {_MOST}", labels=("status",)
    )
    for status, count in now.executions.items():
        executions.add_metric((status,), count)
    return [
        executions,
        GaugeMetricFamily("hub_oldest_event_seconds", "Age of the oldest event without deliveries", now.oldest_event),
        GaugeMetricFamily("hub_schedule_lag_seconds", "How long the earliest slot is overdue", now.schedule_lag),
        GaugeMetricFamily("hub_nodes", "Processes that serve", len(now.leases)),
        GaugeMetricFamily("hub_lease_seconds", "Until the first lease of a node ends", min(now.leases, default=0.0)),
        GaugeMetricFamily("hub_streams", "Executions that are followed live", now.followers),
        GaugeMetricFamily("hub_troubles", "Reasons why the hub is not ready", now.troubles),
        GaugeMetricFamily(
            "hub_oldest_transaction_seconds",
            "How long a transaction has been open that keeps PostgreSQL from clearing away what was deleted",
            now.oldest_transaction,
        ),
    ]


def _labelled_counter(name: str, text: str, labels: tuple[str, ...], counts: Mapping[tuple[str, ...], int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in sorted(counts.items()):
        family.add_metric(values, count)
    return family


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    buckets = [
        ("+Inf" if bound == float("inf") else repr(float(bound)), count) for bound, count in histogram.cumulative()
    ]
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=histogram.total)
