"""Record events of PostgreSQL: what the trigger costs a writer, how fast the outbox is drained, and commit to first line.

A PostgreSQL of its own from the test wheel, its folder on a disk of memory, so that what is measured is the trigger and not a
flush; raw inserts, without the trigger, beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from postgres_cluster import Cluster
from webhook_latency import FILES as PING
from webhook_latency import free_port, lay_out, noted, row, serving

from hub.model.clock import SystemClock
from hub.model.executor import RECORD_EVENTS
from hub.store import open_store
from hub.triggers.record_events.drain import Drain
from hub.triggers.record_events.postgres import PostgresWatched

TABLE = (
    "CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id int, total numeric(10, 2), "
    "status text, note text, at timestamptz DEFAULT now())"
)
INSERT = "INSERT INTO orders (customer_id, total, status, note) VALUES (1, 12.50, 'new', 'a note of some words')"
BULK = INSERT.replace("VALUES (1,", "SELECT n,").replace("words')", "words' FROM generate_series(1, 10000) n")

FILES = {
    "config/hub.yaml": """
store: sqlite:///var/hub.db
server: {host: 127.0.0.1, port: PORT}
databases: {shop: {url: "URL"}}
auth: {main-auth: {machine_users: {workflow-bot: {permissions: ["workflow:start:*"]}}}}
""",
    "executors/row.yaml": """
name: row
trigger: {event: {namespace: shop, type: record.created, model: orders}}
target:
  workflow:
    workflow_name: ping
    invoker: {machine_user: {auth_namespace: main-auth, name: workflow-bot}}
    variables: "({ n: context.event.data.customer_id })"
""",
    "workflows/ping.py": PING["workflows/ping.py"],
}


def watched(url: str) -> PostgresWatched:
    return PostgresWatched("shop", url, SystemClock())


async def set_triggers(url: str, *, there: bool) -> None:
    shop = watched(url)
    if there:
        await shop.install({"orders": frozenset(RECORD_EVENTS)})
    else:
        await shop.uninstall(discard=True)
    await shop.close()


def one_by_one(url: str, seconds: float, writers: int) -> float:
    """Committed single-row inserts a second."""
    counts, end = [0] * writers, time.monotonic() + seconds

    def write(place: int) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while time.monotonic() < end:
                connection.execute(INSERT)
                counts[place] += 1

    threads = [threading.Thread(target=write, args=(place,)) for place in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def in_bulk(url: str) -> float:
    """Microseconds a row of one statement."""
    with psycopg.connect(url, autocommit=True) as connection:
        before = time.perf_counter()
        connection.execute(BULK)
        return (time.perf_counter() - before) / 10_000 * 1e6


async def drained(url: str, folder: Path) -> float:
    """Events a second, from the outbox into a SQLite store with `synchronous=FULL`."""
    shop, store = watched(url), open_store(f"sqlite:///{folder}/hub.db", SystemClock())
    drain = Drain(shop, store)
    before, handed = time.perf_counter(), 0
    while count := await drain.run_once():
        handed += count
    rate = handed / (time.perf_counter() - before)
    await shop.close()
    await store.close()
    return rate


def trigger_cost(url: str, rounds: int, seconds: float) -> None:
    measures: dict[str, Callable[[], float]] = {
        "one writer, rows/s": lambda: one_by_one(url, seconds, 1),
        "eight writers, rows/s": lambda: one_by_one(url, seconds, 8),
        "10,000 rows in one statement, µs/row": lambda: in_bulk(url),
    }
    found: dict[tuple[str, bool], list[float]] = {}
    for _ in range(rounds):
        for there in (False, True):
            asyncio.run(set_triggers(url, there=there))
            for name, measure in measures.items():
                found.setdefault((name, there), []).append(measure())
    for name in measures:
        raw, with_trigger = found[name, False], found[name, True]
        print(
            f"{name}: raw {median(raw):.1f} {_all(raw)}, with the trigger {median(with_trigger):.1f} {_all(with_trigger)}"
        )


def drain_rate(url: str, rounds: int) -> None:
    asyncio.run(set_triggers(url, there=True))
    rates = []
    for _ in range(rounds):
        in_bulk(url)
        with tempfile.TemporaryDirectory() as folder:
            rates.append(asyncio.run(drained(url, Path(folder))))
    print(f"drained, events/s: {median(rates):.0f} {_all(rates)}")


def latency(url: str, count: int) -> None:
    """One insert at a time on an idle hub: from the return of COMMIT to the first line of the job."""
    asyncio.run(set_triggers(url, there=False))
    committed: dict[int, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        project, port = Path(folder), free_port()
        lay_out(project, port, {name: text.replace("URL", url) for name, text in FILES.items()})
        with serving(project, f"http://127.0.0.1:{port}"), psycopg.connect(url, autocommit=True) as shop:
            for number in range(count):
                shop.execute(INSERT.replace("(1,", f"({number},"))
                committed[number] = time.monotonic_ns()
                time.sleep(0.05)
            begun = noted(project, count)
    print(f"{count} inserts, one at a time, milliseconds{'p50':>14}{'p99':>10}{'max':>10}")
    print(row("commit -> first line of the job", [begun[number] - at for number, at in committed.items()]))


def _all(values: list[float]) -> str:
    return "(" + " ".join(f"{value:.0f}" for value in values) + ")"


@contextmanager
def cluster() -> Iterator[str]:
    made = Cluster()
    try:
        with psycopg.connect(made.url(), autocommit=True) as connection:
            connection.execute(TABLE)
        yield made.url()
    finally:
        made.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each rate")
    parser.add_argument("--inserts", type=int, default=300, help="for the latency")
    options = parser.parse_args()
    with cluster() as url:
        trigger_cost(url, options.rounds, options.seconds)
        drain_rate(url, options.rounds)
        latency(url, options.inserts)


if __name__ == "__main__":
    main()
