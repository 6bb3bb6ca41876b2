"""Metrics: true to what happened, in Prometheus' format, for those who may, and cheap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
from api_site import ApiSite, play, verify
from prometheus_client.parser import text_string_to_metric_families

from hub.api.app import create_app, machine_routes
from hub.api.metrics import Metrics, metrics_operations
from hub.api.openapi import document
from hub.api.readiness import Readiness
from hub.model.event import NewEvent
from hub.model.execution import LEGAL_MOVES
from hub.store.counting import Counts, Histogram


async def numbers(hub: ApiSite) -> dict[tuple[str, tuple[str, ...]], float]:
    """(name, values of its labels) -> number."""
    answer = await hub.ask("GET", "/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=1.0.0; charset=utf-8"
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_what_happened_is_counted(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> None:
        await hub.post("/api/v1/executors/number-hook/trigger", {"data": {"n": 1}}, status=201)
        await hub.post("/api/v1/executors/number-hook/trigger", {"data": {"n": -1}}, status=201)
        now = hub.parts.clock.now()
        for _ in range(2):
            await hub.parts.store.store_event(NewEvent("webhook:number-hook", "same", "push", now, {}))
        await hub.run("failing")
        waiting = await hub.run("asking")
        found = await numbers(hub)
        assert found["hub_events_total", ("manual", "new")] == 2
        assert found["hub_events_total", ("webhook", "new")] == 1
        assert found["hub_events_total", ("webhook", "duplicate")] == 1
        assert found["hub_deliveries_total", ("started",)] == 1
        assert found["hub_deliveries_total", ("filtered",)] == 1
        assert found["hub_executions_started_total", ()] == 3
        assert found["hub_executions_settled_total", ("SUCCESS",)] == 1
        assert found["hub_executions_settled_total", ("FAILED",)] == 1
        assert found["hub_executions", ("WAITING",)] == 1
        assert found["hub_executions", ("RUNNING",)] == 0
        assert found["hub_oldest_event_seconds", ()] > 0, "the webhook's event was not dispatched"
        assert found["hub_writer_commit_seconds_count", ()] > 5
        assert found["hub_writer_commit_seconds_sum", ()] > 0
        await hub.post(f"/api/v1/executions/{waiting}/cancel")
        after = await numbers(hub)
        assert after["hub_executions", ("WAITING",)] == 0
        assert after["hub_executions_settled_total", ("CANCELED",)] == 1

    play(quick_path, story)


def test_every_status_that_has_not_ended_is_shown_also_when_there_is_none(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> None:
        found = await numbers(hub)
        shown = {labels[0] for name, labels in found if name == "hub_executions"}
        assert shown == set(LEGAL_MOVES) - {"SUCCESS", "FAILED", "CANCELED"}
        assert found["hub_schedule_lag_seconds", ()] == 0

    play(quick_path, story)


def test_they_are_for_those_who_may_read_them(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> None:
        assert (await hub.ask("GET", "/metrics", None)).status_code == 401
        assert (await hub.ask("GET", "/metrics", "idle")).status_code == 403
        assert (await hub.ask("GET", "/metrics", "viewer")).status_code == 200

    play(quick_path, story)


def test_they_are_for_everybody_where_the_configuration_says_so(quick_path: Path) -> None:
    async def story(hub: ApiSite) -> None:
        metrics = Metrics(hub.parts.store, hub.parts.clock, Counts(), hub.live, list)
        further = metrics_operations(metrics, public=True)
        readiness = Readiness(hub.parts.store, list)
        app = create_app(_nothing, machine_routes(hub.parts.client, verify, readiness, further=further))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub") as http:
            answer = await http.get("/metrics")
            assert (answer.status_code, "hub_nodes" in answer.text) == (200, True)
            assert (await http.get("/api/v1/nodes")).status_code == 401
        described = document(further, "http://hub")["paths"]["/metrics"]["get"]
        assert described["security"] == []

    play(quick_path, story)


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nobody sends a webhook")


def test_a_spread_counts_what_is_at_most_its_bounds() -> None:
    histogram = Histogram((1, 5))
    for value in (0, 1, 2, 5, 5.1):
        histogram.add(value)
    assert histogram.cumulative() == [(1, 2), (5, 4), (float("inf"), 5)]
    assert histogram.total == 13.1
