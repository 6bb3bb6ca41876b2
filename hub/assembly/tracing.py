"""OpenTelemetry, where it is installed (`hub[otel]`) and told where to: a span for every job that ended.

Spans are made of what was committed, by a witness of the store, so that the engine knows nothing of them. An execution's id is its
trace's; a job's span follows from its path, so that jobs hang below those that called them, also across restarts and nodes.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hub.model.execution import Checkpoint, JobStatus
from hub.store.checkpoints import CallWrite
from hub.store.committing import Operation
from hub.store.witness import finished_calls

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

log = logging.getLogger(__name__)

_TOLD = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def tracing(environment: Mapping[str, str]) -> Spans | None:
    """A witness that sends spans where the usual variables say; None when they say nothing, or nothing is installed."""
    if not any(environment.get(name) for name in _TOLD):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        log.warning("spans are asked for, and OpenTelemetry is not installed: pip install 'hub[otel]'.")
        return None
    return Spans(OTLPSpanExporter())


class Spans:
    """Makes spans of calls that ended. A witness of the store."""

    def __init__(self, exporter: SpanExporter) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._ids = _ids()
        self._provider = TracerProvider(resource=Resource.create({"service.name": "hub"}), id_generator=self._ids)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("hub")

    def __call__(self, operations: Sequence[Operation], _seconds: float) -> None:
        for write in finished_calls(operations):
            self._span(write)

    def close(self) -> None:
        """Send what is left, for a moment."""
        self._provider.force_flush(2_000)
        self._provider.shutdown()

    def _span(self, write: CallWrite) -> None:
        from opentelemetry.trace import Status, StatusCode

        call = write.checkpoint
        self._ids.trace, self._ids.span = trace_id(write.execution_id), span_id(call.path)
        span = self._tracer.start_span(
            call.name,
            context=_parent(write.execution_id, call),
            start_time=call.started_at * 1_000_000,
            attributes={"hub.execution_id": write.execution_id, "hub.path": call.path, "hub.attempts": call.attempts},
        )
        if call.status is JobStatus.FAILED:
            span.set_status(Status(StatusCode.ERROR))
        span.end((call.finished_at or call.started_at) * 1_000_000)


def trace_id(execution_id: str) -> int:
    """The 128 bits of an execution's id."""
    number = 0
    for letter in execution_id:
        number = number << 5 | _ALPHABET.index(letter)
    return number & (1 << 128) - 1


def span_id(path: str) -> int:
    """64 bits that are the same for a path wherever it is asked."""
    return int.from_bytes(hashlib.blake2b(path.encode(), digest_size=8).digest(), "big") or 1


def _parent(execution_id: str, call: Checkpoint) -> Any:
    from opentelemetry import trace
    from opentelemetry.context import Context

    above = call.path.rpartition("/")[0]
    if not above:
        return Context()
    there = trace.SpanContext(
        trace_id(execution_id), span_id(above), is_remote=True, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED)
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(there), Context())


def _ids() -> Any:
    from opentelemetry.sdk.trace.id_generator import IdGenerator

    class Given(IdGenerator):
        """Hands out what was put here just before: spans are made one by one, on the writer's thread."""

        trace = 0
        span = 0

        def generate_trace_id(self) -> int:
            return self.trace

        def generate_span_id(self) -> int:
            return self.span

    return Given()
