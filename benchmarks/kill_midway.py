"""kill -9 in the middle of many executions: how soon all have ended after the restart, and how many jobs ran twice.

Each job writes a line to a file as it begins. A job that had begun at the kill and had no result stored has to run again; no other may.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median

from hub import Context, job, workflow
from hub.engine.lease import Lease
from hub.engine.registry import Registry
from hub.engine.starting import start_request
from hub.engine.surroundings import Surroundings
from hub.engine.worker import Worker
from hub.model.clock import SystemClock, new_id
from hub.store import open_store

JOBS_EACH = 5
BEGUN = -1


@job
async def add_one(input: int, ctx: Context) -> int:
    os.write(BEGUN, f"{ctx.idempotency_key}\n".encode())
    return input + 1


@job
async def count_up(input: int, _: Context) -> int:
    n = 0
    for _ in range(input):
        n = await add_one.trigger(n)
    return n


counting = workflow("counting", count_up)


async def work(folder: Path, executions: int) -> None:
    """Start that many, or go on with those that are there; ends when all have."""
    global BEGUN  # noqa: PLW0603 - the jobs' file
    BEGUN = os.open(folder / "begun", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    clock = SystemClock()
    registry, surroundings = Registry([counting]), Surroundings()
    store = open_store(f"sqlite:///{folder}/hub.db", clock)
    node = new_id(clock.now())
    worker = Worker(store, registry, surroundings, clock, node)
    store.listen(worker.hear)
    await Lease(store, clock, node, worker).take()
    stop = asyncio.Event()
    serving = asyncio.create_task(worker.serve(stop))
    if not await store.executions(limit=1):
        request = (registry, surroundings, clock)
        asked = {"workflow": "counting", "args": JOBS_EACH, "invoker": None, "requested_by": "bench"}
        await asyncio.gather(*[store.start(start_request(*request, **asked)) for _ in range(executions)])
    while (await store.count_by_status()).get("SUCCESS", 0) < executions:
        await clock.sleep(0.01)
    stop.set()
    worker.waker.ring()
    await serving
    await store.close()


def begin(folder: Path, executions: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, __file__, "--part", str(folder), "--executions", str(executions)])


def lines(folder: Path) -> list[str]:
    path = folder / "begun"
    return path.read_text().splitlines() if path.exists() else []


def one_round(where: Path | None, executions: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=where) as name:
        folder = Path(name)
        first = begin(folder, executions)
        while len(lines(folder)) < executions * JOBS_EACH / 2:
            if first.poll() is not None:
                sys.exit(f"it ended with {first.returncode} before it was killed")
            time.sleep(0.002)
        first.send_signal(signal.SIGKILL)
        first.wait()
        begun = len(lines(folder))
        again = time.perf_counter()
        second = begin(folder, executions)
        if second.wait(120):
            sys.exit(f"the second one ended with {second.returncode}")
        seconds = time.perf_counter() - again
        ran = Counter(lines(folder))
        if len(ran) != executions * JOBS_EACH:
            sys.exit(f"{len(ran)} jobs ran, and there are {executions * JOBS_EACH}")
        return {"begun": begun, "seconds": seconds, "twice": sum(count - 1 for count in ran.values())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executions", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the database is; by default a temporary folder")
    parser.add_argument("--part", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part is not None:
        asyncio.run(work(given.part, given.executions))
        return
    found = [one_round(given.folder, given.executions) for _ in range(given.rounds)]
    print(f"{given.executions:,} executions of {JOBS_EACH} jobs, kill -9 in the middle, {given.rounds} rounds")
    print(f"{'':44}{'median':>8}   all rounds")
    for key, title in (
        ("begun", "jobs that had begun at the kill"),
        ("seconds", "seconds from the restart until all have ended"),
        ("twice", "jobs that ran twice"),
    ):
        values = [one[key] for one in found]
        print(f"{title:44}{median(values):8.2f}   {' '.join(f'{value:.2f}' for value in values)}")
    print(json.dumps(found), file=sys.stderr)


if __name__ == "__main__":
    main()
