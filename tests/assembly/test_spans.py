"""Spans of jobs: one for each that ended, below the one that called it; none without being asked."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from kit import Bench
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from hub import NonRetryable, job, workflow
from hub.assembly.tracing import Spans, trace_id, tracing


@job
def step(input: dict) -> int:
    return 1


@job
async def fall(input: dict) -> int:
    raise NonRetryable("no")


@job
async def above(input: dict) -> int:
    one = await step.trigger({})
    two = await step.trigger({})
    if input.get("fall"):
        await fall.trigger({})
    return one + two


spanned = workflow(name="spanned", main_job=above)


def test_each_job_that_ended_is_a_span_of_its_execution(quick_path: Path) -> None:
    exporter = InMemorySpanExporter()
    spans = Spans(exporter)

    async def story() -> tuple[str, str]:
        bench = Bench(f"sqlite:///{quick_path}/hub.db", [spanned])
        bench.store.watch(spans)
        try:
            return (await bench.run("spanned")).id, (await bench.run("spanned", {"fall": True})).id
        finally:
            await bench.close()

    good, bad = asyncio.run(story())
    spans.close()
    found = {(span.context.trace_id, span.attributes["hub.path"]): span for span in exporter.get_finished_spans()}
    of_good = {path: span for (trace, path), span in found.items() if trace == trace_id(good)}
    assert set(of_good) == {"above", "above/step", "above/step#2"}
    main = of_good["above"]
    assert main.parent is None
    for path in ("above/step", "above/step#2"):
        assert of_good[path].parent.span_id == main.context.span_id
        assert of_good[path].name == "step"
        assert of_good[path].attributes["hub.execution_id"] == good
    assert main.status.status_code is StatusCode.UNSET
    assert found[trace_id(bad), "above/fall"].status.status_code is StatusCode.ERROR
    assert found[trace_id(bad), "above"].status.status_code is StatusCode.ERROR
    assert len(found) == 7, "each once"


def test_nothing_is_sent_unless_somebody_says_where(caplog: pytest.LogCaptureFixture) -> None:
    assert tracing({}) is None
    asked = tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})
    assert asked is not None
    asked._provider.shutdown()


def test_without_the_package_it_is_said_and_the_hub_serves(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with caplog.at_level(logging.WARNING):
        assert tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}) is None
    assert "pip install 'hub[otel]'" in caplog.text
