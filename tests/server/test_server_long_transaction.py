"""Somebody forgets a transaction in the hub's database, and somebody locks its tables: work goes on, and a person is told."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg
import pytest
from hub_process import Hub, Zygote, until
from kit import PATIENCE
from node_loop import SharedProject
from postgres_cluster import Cluster
from server_projects import start

WORKFLOW = """
@job
async def mark(input, ctx: Context):
    note(ctx, input["number"], time.monotonic())

marking = workflow("marking", mark)
"""
HOOK = {
    "trigger": {"webhook": {"dedupe": {"key": "header:x-delivery"}}},
    "target": start("marking", "({ number: args.body.number })"),
}
#: Deliveries a second.
RATE = 40
TABLES = ("events", "deliveries", "executions", "calls", "commits", "nodes")


@dataclass
class Load:
    """A steady stream of deliveries."""

    #: Number -> (when it was sent, seconds until it was taken).
    taken: dict[int, tuple[float, float]] = field(default_factory=dict)
    refused: int = 0
    was_refused: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, url: str, path: str) -> None:
        # Shorter than the server keeps them: none is closed while the next request is on its way.
        limits = httpx.Limits(max_connections=None, keepalive_expiry=1)
        async with (
            httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client,
            asyncio.TaskGroup() as under_way,
        ):
            number = 0
            while not self.over.is_set():
                number += 1
                under_way.create_task(self._one(client, path, number))
                await asyncio.sleep(1 / RATE)

    async def _one(self, client: httpx.AsyncClient, path: str, number: int) -> None:
        """As senders do: until it is taken."""
        begun = time.monotonic()
        while True:
            asked = time.monotonic()
            answer = await client.post(path, json={"number": number}, headers={"x-delivery": str(number)})
            assert answer.status_code in (202, 503), answer.text
            if answer.status_code == 202:
                self.taken[number] = (begun, time.monotonic() - asked)
                return
            self.refused += 1
            self.was_refused.set()
            await asyncio.sleep(0.5)

    def p99(self, begin: float, end: float) -> float:
        """Seconds within which nearly all were answered that were sent in that time."""
        found = sorted(seconds for begun, seconds in self.taken.values() if begin <= begun < end)
        return found[len(found) * 99 // 100] if found else float("nan")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster(settings=("autovacuum_naptime=1s",))
    yield made
    made.stop()


def executed(project: SharedProject) -> dict[int, float]:
    """Number -> when its job began first."""
    lines = [line.split() for line in (project.folder / "noted").read_text().splitlines()]
    return {int(number): float(at) for _, _, number, at in reversed(lines)}


def sizes(cluster: Cluster) -> dict[str, int]:
    """KiB of each table with its indexes."""
    return {
        name: kib
        for name, kib in cluster.execute(
            "SELECT relname, pg_total_relation_size(relid) / 1024 FROM pg_stat_user_tables"
        )
        if name in TABLES
    }


def lock(locker: psycopg.Connection) -> None:
    """Both tables. The hub's transactions come to them in another order, and one of the two has to give way."""
    while True:
        with contextlib.suppress(psycopg.errors.DeadlockDetected):
            locker.execute("LOCK TABLE executions, events IN ACCESS EXCLUSIVE MODE")
            return
        locker.rollback()


def metric(hub: Hub, name: str) -> float:
    (line,) = [line for line in httpx.get(f"{hub.url}/metrics").text.splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


@pytest.mark.parametrize(
    ("held", "locked"),
    [(4.0, 1.5), pytest.param(600.0, 5.0, marks=[pytest.mark.long, pytest.mark.timeout(1200)])],
    ids=["seconds", "ten_minutes"],
)
def test_a_forgotten_transaction_and_locked_tables(
    quick_path: Path, zygote: Zygote, cluster: Cluster, held: float, locked: float
) -> None:
    project = SharedProject(quick_path, zygote, cluster.url())
    project.lay_out(WORKFLOW, lease=15, hook=HOOK)
    config = (quick_path / "config" / "hub.yaml").read_text().replace("port: 8700}", "port: 8700, metrics: public}")
    project.write("config/hub.yaml", config)
    with project.serving() as hub:
        asyncio.run(_story(project, hub, cluster, held, locked))


async def _story(project: SharedProject, hub: Hub, cluster: Cluster, held: float, locked: float) -> None:
    load = Load()
    sending = asyncio.create_task(load.send(hub.url, project.webhook_path("hook")))
    await asyncio.sleep(max(1, held / 20))
    begun = time.monotonic()
    with psycopg.connect(cluster.url(), application_name="somebody's report") as holder:
        holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT count(*) FROM pg_class")
        await asyncio.sleep(held / 2)
        with psycopg.connect(cluster.url()) as locker:
            await asyncio.to_thread(lock, locker)
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(asyncio.sleep(locked), load.was_refused.wait())
        released = time.monotonic()
        before = [number for number, (at, _) in load.taken.items() if at < released]
        await asyncio.sleep(held / 2)
        open_for = await asyncio.to_thread(metric, hub, "hub_oldest_transaction_seconds")
        assert open_for > held * 0.9
        ended = time.monotonic()
        grown = sizes(cluster)
    await asyncio.sleep(max(1, held / 20))
    load.over.set()
    await sending
    await asyncio.to_thread(until, lambda: load.taken.keys() <= executed(project).keys(), why="some have not run")
    ran = executed(project)
    lag = sorted(ran[number] - sum(load.taken[number]) for number in load.taken)
    late = max(ran[number] for number in before) - released
    print(  # noqa: T201 - figures for whoever asks with -s or -rP
        f"{len(load.taken)} taken, {load.refused} refused; p99 before {load.p99(0, begun):.3f} s, at the beginning "
        f"{load.p99(begun, begun + held / 4):.3f} s, at the end {load.p99(ended - held / 8, ended):.3f} s; "
        f"begun after it was taken p50 {lag[len(lag) // 2]:.3f} s p99 {lag[len(lag) * 99 // 100]:.3f} s, "
        f"behind a lock of {locked:g} s {late:.2f} s; grown to {grown}, then {sizes(cluster)} KiB"
    )
    stored = project.store("SELECT status, count(*) FROM executions GROUP BY status")
    assert stored == [("SUCCESS", len(load.taken))]
    lines = (project.folder / "noted").read_text().splitlines()
    assert len(lines) == len(load.taken), "something has run twice"
