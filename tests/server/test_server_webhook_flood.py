"""A real server in a flood: acknowledged is stored is run once, whatever else comes in, and a quiet sender gets through."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from flooding import Flood, flood, plan
from hub_process import Hub, Project, Zygote, until
from server_projects import PASSING, lay_out, start

SECRET = "a-secret-of-enough-bytes-000000"
GITHUB = {"preset": "github", "secret": "${secret:GITHUB}"}
EXECUTORS = {
    "push": {
        "trigger": {"webhook": {"verify": GITHUB, "limits": {"concurrency": 150}}},
        "target": start("passing", "({ delivery: args.body.delivery })"),
    },
    "quiet": {
        "trigger": {"webhook": {"verify": GITHUB}},
        "target": start("passing", "({ delivery: args.body.delivery })"),
    },
}


@pytest.fixture
def hub(quick_path: Path, zygote: Zygote) -> Iterator[Hub]:
    project = Project(quick_path, zygote, {"GITHUB": SECRET})
    lay_out(project, PASSING, **EXECUTORS)
    with project.serving() as running:
        yield running


def play(hub: Hub, count: int, connections: int) -> Flood:
    port = httpx.URL(hub.url).port
    assert port is not None
    return asyncio.run(flood(port, SECRET, plan(count, 1), connections))


def the_books_balance(hub: Hub, result: Flood, count: int, seconds: float) -> None:
    """Every request is answered; every acknowledged delivery is one event, and one execution that succeeds."""
    project = hub.project
    wrong = {key: number for key, number in result.statuses.items() if key[1] not in _RIGHT[key[0]]}
    assert wrong == {}, wrong
    finished = sum(number for (_, status), number in result.statuses.items() if status not in (429, 503))
    assert finished == count
    assert all(len(events) == 1 for events in result.acknowledged.values())
    stored = project.store("SELECT id, key FROM events WHERE source = 'webhook:push'")
    assert {(key, identifier) for identifier, key in stored} == {
        (delivery, *events) for delivery, events in result.acknowledged.items()
    }
    total = len(stored) + len(result.quiet)
    done = "SELECT count(*), count(DISTINCT event_id) FROM executions WHERE status = 'SUCCESS'"
    until(lambda: project.store(done)[0][0] >= total, seconds, "they do not all run")
    (ran, distinct) = project.store(done)[0]
    assert ran == distinct
    repeated = "SELECT count(*) FROM deliveries WHERE outcome = 'duplicate' AND executor = 'push'"
    again = sum(number for (kind, status), number in result.statuses.items() if status == 202) - len(stored)
    assert project.store(repeated) == [(again,)], "each repetition is shown"


#: The answers that a kind of request may get; the last two of all are "come again", and are.
_RIGHT = {
    "new": {202, 429, 503},
    "again": {202, 429, 503},
    "forged": {401, 429, 503},
    "large": {413, 429, 503},
}


def test_a_flood_is_answered_stored_and_run_once(hub: Hub) -> None:
    result = play(hub, 2_000, 60)
    the_books_balance(hub, result, 2_000, 120)
    assert result.unanswered == 0
    assert len(hub.project.store("SELECT id FROM refused")) <= 100
    assert len([line for line in hub.messages() if "refused" in line]) < 40, "a flood of forgeries is said in few lines"


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [10_000, 100_000])
def test_a_large_flood(hub: Hub, count: int) -> None:
    result = play(hub, count, 200)
    sys.stderr.write(
        f"\n{count} requests in {result.took:.1f} s = {count / result.took:.0f}/s; p50 {result.quantile(0.5) * 1e3:.0f} ms, "
        f"p99 {result.quantile(0.99) * 1e3:.0f} ms; quiet sender p99 {result.quantile(0.99, result.quiet) * 1e3:.0f} ms; "
        f"{dict(result.statuses)}\n"
    )
    the_books_balance(hub, result, count, 600)
    assert result.quantile(1.0) < 8
