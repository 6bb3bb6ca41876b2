"""kill -9 in the middle of many executions: how soon all have ended after the restart, and how many jobs ran twice.

Each job writes a line to a file as it begins, and one as it ends: its process, execution and path. Between the kill and the restart the
database file is looked into: a job whose result stands there must not run again, and whatever did run again had none. Those had
either begun and not ended, or ended and their result was still on its way to the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
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
NOTES = -1


def note(what: str, ctx: Context) -> None:
    """One line at the end of the file, by one write."""
    os.write(NOTES, f"{what} {os.getpid()} {ctx.idempotency_key}\n".encode())


@job
async def add_one(input: int, ctx: Context) -> int:
    note("begin", ctx)
    try:
        return input + 1
    finally:
        note("end", ctx)


@job
async def count_up(input: int, _: Context) -> int:
    n = 0
    for _ in range(input):
        n = await add_one.trigger(n)
    return n


counting = workflow("counting", count_up)


async def work(folder: Path, executions: int) -> None:
    """Start that many, or go on with those that are there; ends when all have."""
    global NOTES  # noqa: PLW0603 - the jobs' file
    NOTES = os.open(folder / "notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
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


def noted(folder: Path) -> list[tuple[str, str, str]]:
    """(begin or end, pid, execution/path) of each line that is whole."""
    path = folder / "notes"
    text = path.read_text() if path.exists() else ""
    return [tuple(line.split()) for line in text.splitlines()]


def stored(folder: Path) -> set[str]:
    """execution/path of each job whose result is in the database as a kill has left it."""
    with closing(sqlite3.connect(folder / "hub.db")) as connection:
        found = connection.execute("SELECT execution_id || '/' || path FROM checkpoints WHERE status = 'SUCCESS'")
        return {job for (job,) in found}


def killed_midway(folder: Path, executions: int) -> int:
    """Kill it when half of the jobs have begun; the pid that it had."""
    first = begin(folder, executions)
    while sum(what == "begin" for what, *_ in noted(folder)) < executions * JOBS_EACH / 2:
        if first.poll() is not None:
            sys.exit(f"it ended with {first.returncode} before it was killed")
        time.sleep(0.002)
    first.send_signal(signal.SIGKILL)
    first.wait()
    return first.pid


def one_round(where: Path | None, executions: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=where) as name:
        folder = Path(name)
        pid = killed_midway(folder, executions)
        durable, before = stored(folder), noted(folder)
        again = time.perf_counter()
        second = begin(folder, executions)
        if second.wait(120):
            sys.exit(f"the second one ended with {second.returncode}")
        seconds = time.perf_counter() - again
        after = Counter(job for what, by, job in noted(folder) if what == "begin" and by != str(pid))
        begun = {job for what, _, job in before if what == "begin"}
        ended = {job for what, _, job in before if what == "end"}
        if len(begun | after.keys()) != executions * JOBS_EACH or max(after.values()) > 1:
            sys.exit(
                f"{len(begun | after.keys())} jobs ran, {executions * JOBS_EACH} are there; {max(after.values())} times after"
            )
        twice = begun & after.keys()
        return {
            "begun": len(begun),
            "stored": len(durable),
            "seconds": seconds,
            "twice": len(twice),
            "in the middle": len(twice - ended),
            "on the way": len(twice & ended - durable),
            "though stored": len(after.keys() & durable),
            "forgotten": len(begun - durable - after.keys()),
        }


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
        ("stored", "of which had a stored result"),
        ("seconds", "seconds from the restart until all have ended"),
        ("twice", "jobs that ran again"),
        ("in the middle", "  had begun and not ended"),
        ("on the way", "  had ended, their result not on the disk"),
        ("though stored", "ran again though stored"),
        ("forgotten", "had no stored result and did not run again"),
    ):
        values = [one[key] for one in found]
        print(f"{title:44}{median(values):8.2f}   {' '.join(f'{value:.2f}' for value in values)}")
    print(json.dumps(found), file=sys.stderr)
    if any(one["though stored"] or one["forgotten"] for one in found):
        sys.exit(1)


if __name__ == "__main__":
    main()
