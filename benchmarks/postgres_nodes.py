"""Nodes on one PostgreSQL server: how soon an idle one begins, and what two do against one. Prints a few lines.

The server is the tests' own, on the disk that is to be measured. Latency: from before an execution is stored to the first line of its
job, one at a time, in the same process and in another one, which hears of it by NOTIFY. Throughput: executions of 5 jobs, stored by a process
that runs none itself.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from pathlib import Path
from statistics import median, quantiles

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from hub_side import JOBS_EACH, counting  # noqa: E402 - behind the path
from postgres_cluster import Cluster  # noqa: E402

from hub import Context, job, workflow  # noqa: E402
from hub.engine.registry import Registry  # noqa: E402
from hub.engine.starting import start_request  # noqa: E402
from hub.engine.surroundings import Surroundings  # noqa: E402
from hub.engine.worker import Worker  # noqa: E402
from hub.model.clock import SystemClock, new_id  # noqa: E402
from hub.model.execution import ExecutionRecord  # noqa: E402
from hub.store import Store, open_store  # noqa: E402


@job
async def look_at_the_clock(_: Context) -> int:
    return time.monotonic_ns()


looking = workflow("looking", look_at_the_clock)
WORKFLOWS = Registry([counting, looking])


async def start(store: Store, name: str, args: int | None) -> str:
    request = start_request(
        WORKFLOWS, Surroundings(), SystemClock(), workflow=name, args=args, invoker=None, requested_by="bench"
    )
    return (await store.start(request)).id


async def ended(store: Store, execution: str) -> ExecutionRecord:
    while True:
        record = await store.execution(execution)
        if record is not None and record.finished_at is not None:
            return record
        await asyncio.sleep(0.01)


async def work(url: str) -> None:
    """A node, until it is ended."""
    clock = SystemClock()
    store = open_store(url, clock)
    worker = Worker(store, WORKFLOWS, Surroundings(), clock, new_id(clock.now()))
    store.listen(worker.hear)
    store.listen_to_others(lambda topic: worker.hear(topic or "executions"))
    print("ready", flush=True)
    await worker.serve(asyncio.Event())


async def latencies(url: str, rounds: int, *, here: bool) -> list[float]:
    """Milliseconds from before it is stored to the first line of its job."""
    clock, stop = SystemClock(), asyncio.Event()
    store = open_store(url, clock)
    worker = Worker(store, WORKFLOWS, Surroundings(), clock, "bench")
    if here:
        store.listen(worker.hear)
        serving = asyncio.create_task(worker.serve(stop))
    found = []
    for _ in range(rounds):
        begun = time.monotonic_ns()
        execution = await start(store, "looking", None)
        record = await ended(store, execution)
        found.append((record.result - begun) / 1e6)
        await asyncio.sleep(0.02)
    if here:
        stop.set()
        worker.waker.ring()
        await serving
    await store.close()
    return found


async def drained(url: str, executions: int) -> float:
    """Seconds until other processes have run them all."""
    store = open_store(url, SystemClock())
    before = (await store.count_by_status()).get("SUCCESS", 0)
    begun = time.perf_counter()
    await asyncio.gather(*[start(store, "counting", JOBS_EACH) for _ in range(executions)])
    while (await store.count_by_status()).get("SUCCESS", 0) < before + executions:  # noqa: ASYNC110 - by other processes
        await asyncio.sleep(0.01)
    took = time.perf_counter() - begun
    await store.close()
    return took


def nodes(url: str, count: int) -> list[subprocess.Popen[str]]:
    command = [sys.executable, __file__, "--work", url]
    made = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    for one in made:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    return made


def tell(what: str, found: list[float]) -> None:
    print(f"{what:52} p50 {median(found):6.2f} ms   p99 {quantiles(found, n=100)[98]:6.2f} ms   of {len(found)}")


def compare(cluster: Cluster, given: argparse.Namespace) -> None:
    cluster.execute("CREATE DATABASE bench")
    url = cluster.url("bench")
    tell("stored, to its first line in the same process", asyncio.run(latencies(url, given.rounds, here=True)))
    for count in (1, 2):
        working = nodes(url, count)
        try:
            if count == 1:
                elsewhere = asyncio.run(latencies(url, given.rounds, here=False))
                tell("stored, to its first line in another process", elsewhere)
            took = asyncio.run(drained(url, given.executions))
            print(
                f"{count} node{'s' if count > 1 else ' '}: {given.executions * JOBS_EACH / took:8,.0f} jobs/s ({took:.2f} s)"
            )
        finally:
            for one in working:
                one.kill()
                one.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--executions", type=int, default=2000)
    parser.add_argument("--folder", default="/tmp", help="on the disk that is to be measured")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        asyncio.run(work(given.work))
        return
    cluster = Cluster(disk=given.folder)
    try:
        compare(cluster, given)
    finally:
        cluster.stop()


if __name__ == "__main__":
    main()
