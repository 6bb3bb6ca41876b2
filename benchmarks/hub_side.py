"""The hub's side of engine_vs_dbos.py: prints one line of JSON.

python hub_side.py FOLDER EXECUTIONS CHAIN [--profile] [--store URL]
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import pstats
import time
from pathlib import Path

from hub import Context, job, workflow
from hub.api.server import new_loop
from hub.assembly.jobs_thread import settle_in
from hub.engine.registry import Registry
from hub.engine.starting import start_request
from hub.engine.surroundings import Surroundings
from hub.engine.worker import Worker
from hub.model.clock import SystemClock
from hub.store import open_store

JOBS_EACH = 5


@job
async def add_one(input: int, _: Context) -> int:
    return input + 1


@job
async def count_up(input: int, _: Context) -> int:
    n = 0
    for _ in range(input):
        n = await add_one.trigger(n)
    return n


counting = workflow("counting", count_up)


class Bench:
    """One engine on one fresh database: a SQLite file in the folder, with its own settings, or the one at `url`."""

    def __init__(self, folder: Path, url: str | None) -> None:
        self.clock = SystemClock()
        self.registry, self.surroundings = Registry([counting]), Surroundings()
        self.store = open_store(url or f"sqlite:///{folder}/hub.db", self.clock)
        self.worker = Worker(
            self.store, self.registry, self.surroundings, self.clock, "bench", on_ended=lambda _id: self._ended()
        )
        self.store.listen(self.worker.hear)
        self.left = 0
        self.all_ended = asyncio.Event()

    async def run(self, executions: int, length: int) -> float:
        """Start them all at once; seconds until the last one's end is durable."""
        begin = time.perf_counter()
        self.left = executions
        self.all_ended.clear()
        await asyncio.gather(*[self._start(length) for _ in range(executions)])
        await self.all_ended.wait()
        return time.perf_counter() - begin

    async def _start(self, length: int) -> None:
        request = start_request(
            self.registry,
            self.surroundings,
            self.clock,
            workflow="counting",
            args=length,
            invoker=None,
            requested_by="bench",
        )
        await self.store.start(request)

    def _ended(self) -> None:
        self.left -= 1
        if not self.left:
            self.all_ended.set()


async def measure(
    folder: Path, url: str | None, executions: int, chain: int, profile: cProfile.Profile | None
) -> dict[str, float]:
    bench = Bench(folder, url)
    stop = asyncio.Event()
    serving = asyncio.create_task(bench.worker.serve(stop))
    await bench.run(1, 1)
    settle_in()  # as `hub serve` does
    if profile is not None:
        profile.enable()
    found = {"wide": await bench.run(executions, JOBS_EACH), "deep": await bench.run(1, chain)}
    if profile is not None:
        profile.disable()
    stop.set()
    bench.worker.waker.ring()
    await serving
    await bench.worker.drain(1)
    await bench.store.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("executions", type=int)
    parser.add_argument("chain", type=int)
    parser.add_argument("--profile", action="store_true", help="print where the loop's thread spends its time")
    parser.add_argument("--store", help="postgresql://… of an empty database, in place of a SQLite file")
    given = parser.parse_args()
    profile = cProfile.Profile() if given.profile else None
    with asyncio.Runner(loop_factory=new_loop) as runner:  # as `hub serve` has it
        found = runner.run(measure(given.folder, given.store, given.executions, given.chain, profile))
    if profile is not None:
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
