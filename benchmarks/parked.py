"""Executions that wait, by the hundred thousand: what they hold in memory, how long a restart takes, how soon many go on at once.

Two processes on one SQLite file. The first starts them and parks them all; the second opens the same file, and a thousand of them
are answered in the same moment. Each of those reports that it runs, and goes on only when all of them do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hub import Context, job, wait_point, workflow
from hub.assembly.jobs_thread import settle_in
from hub.assembly.tidying import let_memory_go
from hub.engine.registry import Registry
from hub.engine.starting import start_request
from hub.engine.surroundings import Surroundings
from hub.engine.worker import Worker
from hub.model.clock import SystemClock
from hub.model.wait import Resolution
from hub.store import open_store

#: Started in one go: what is under way is what costs memory.
AT_ONCE = 500

answer = wait_point("answer")
running = 0
wanted = 0
all_run: asyncio.Event


@job
async def ask(input: int, _: Context) -> int:
    global running  # noqa: PLW0603 - counted over all executions of the process
    await answer.wait({"n": input})
    running += 1
    if running == wanted:
        all_run.set()
    await all_run.wait()
    return input


asking = workflow("asking", ask)


class Process:
    """A store and a worker, as `hub serve` has them."""

    def __init__(self, folder: Path) -> None:
        self.clock = SystemClock()
        self.registry, self.surroundings = Registry([asking]), Surroundings()
        self.store = open_store(f"sqlite:///{folder}/hub.db", self.clock)
        self.worker = Worker(self.store, self.registry, self.surroundings, self.clock, "bench")
        self.store.listen(self.worker.hear)
        self.stop = asyncio.Event()

    def serve(self) -> None:
        self.serving = asyncio.create_task(self.worker.serve(self.stop))

    async def start(self, number: int) -> str:
        request = start_request(
            self.registry,
            self.surroundings,
            self.clock,
            workflow="asking",
            args=number,
            invoker=None,
            requested_by="bench",
        )
        return (await self.store.start(request)).id

    async def until(self, status: str, count: int) -> None:
        """So many executions have that status."""
        while (await self.store.count_by_status()).get(status, 0) < count:
            await self.clock.sleep(0.02)

    async def close(self) -> None:
        self.stop.set()
        self.worker.waker.ring()
        await self.serving
        await self.worker.drain(1)
        await self.store.close()


async def park(folder: Path, count: int) -> dict[str, float]:
    process = Process(folder)
    process.serve()
    for number in range(AT_ONCE):
        await process.start(number)
    await process.until("WAITING", AT_ONCE)
    settle_in()
    before = resident()
    begin = time.perf_counter()
    for first in range(AT_ONCE, count, AT_ONCE):
        await asyncio.gather(*[process.start(first + number) for number in range(min(AT_ONCE, count - first))])
        if first % (AT_ONCE * 20) == 0:
            await process.until("WAITING", first)
    await process.until("WAITING", count)
    seconds = time.perf_counter() - begin
    let_memory_go()  # as a hub does within a minute of rest
    found = {"baseline_mib": before, "parked_mib": resident(), "seconds": seconds}
    await process.close()
    return found


async def wake(folder: Path, count: int) -> dict[str, float]:
    global wanted, all_run
    wanted, all_run = count, asyncio.Event()
    before = resident()
    begin = time.perf_counter()
    process = Process(folder)
    await process.store.rescue()
    assert await process.worker.run_once() == 0, "nothing is due"
    ready = time.perf_counter() - begin
    grown = resident() - before
    process.serve()
    chosen = [record.id for record in await process.store.executions(status="WAITING", limit=count)]
    now = process.clock.now()
    begin = time.perf_counter()
    await asyncio.gather(
        *[process.store.resolve_wait(Resolution(one, "answer", "true", now, by="bench")) for one in chosen]
    )
    async with asyncio.timeout(60):
        await all_run.wait()
    at_once = time.perf_counter() - begin
    await process.until("SUCCESS", count)
    found = {
        "restart_s": ready,
        "restart_mib": grown,
        "all_run_s": at_once,
        "all_ended_s": time.perf_counter() - begin,
    }
    await process.close()
    return found


def resident() -> float:
    """MiB of this process in memory."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the kernel does not say how much memory this process has")


def child(part: str, folder: Path, count: int) -> dict[str, float]:
    line = subprocess.run(
        [sys.executable, __file__, "--part", part, "--folder", str(folder), "--count", str(count)],
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
    ).stdout.splitlines()[-1]
    found: dict[str, float] = json.loads(line)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executions", type=int, default=100_000)
    parser.add_argument("--wake", type=int, default=1_000, help="so many are answered at once")
    parser.add_argument("--folder", type=Path, help="where the database is; by default a temporary one")
    parser.add_argument("--part", choices=["park", "wake"], help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part is not None:
        part = park if given.part == "park" else wake
        print(json.dumps(asyncio.run(part(given.folder, given.count))))
        return
    if given.folder is not None:
        given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        parked = child("park", Path(name), given.executions)
        woken = child("wake", Path(name), given.wake)
    grown = parked["parked_mib"] - parked["baseline_mib"]
    print(f"{given.executions:,} executions parked in {parked['seconds']:.0f} s")
    print(f"memory above baseline ({parked['baseline_mib']:.0f} MiB)      {grown:8.1f} MiB")
    print(f"restart until the worker waits              {woken['restart_s']:8.3f} s, {woken['restart_mib']:.1f} MiB")
    print(f"{given.wake:,} answered at once, until all run     {woken['all_run_s']:8.3f} s")
    print(f"until the last one's end is on the disk     {woken['all_ended_s']:8.3f} s")


if __name__ == "__main__":
    main()
