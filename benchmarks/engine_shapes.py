"""Other shapes of work than engine_vs_dbos.py's: fifty jobs side by side in one execution, and plain `def` jobs.

python benchmarks/engine_shapes.py [--peer-python PYTHON]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hub import Context, job, workflow
from hub.api.server import new_loop
from hub.assembly.jobs_thread import settle_in
from hub.engine.registry import Registry
from hub.engine.starting import start_request
from hub.engine.surroundings import Surroundings
from hub.engine.worker import Worker
from hub.model.clock import SystemClock
from hub.store import open_store

HERE = Path(__file__).parent
SHAPES = {"gather": ("fanning-out", 50, 20), "plain": ("counting-plainly", 5, 200)}
TITLES = {"gather": "20 executions of 50 jobs under gather", "plain": "200 executions of 5 plain jobs in a row"}


@job
async def add_one(input: int, _: Context) -> int:
    return input + 1


@job
def add_one_plainly(input: int, _: Context) -> int:
    return input + 1


@job
async def fan_out(input: int, _: Context) -> int:
    return sum(await asyncio.gather(*[add_one.trigger(number) for number in range(input)]))


@job
def count_plainly(input: int, _: Context) -> int:
    n = 0
    for _ in range(input):
        n = add_one_plainly.trigger(n).result()
    return n


WORKFLOWS = [workflow("fanning-out", fan_out), workflow("counting-plainly", count_plainly)]


async def hub_side(folder: str) -> dict[str, float]:
    """Seconds of each shape, all executions started at once, until the last one's end is durable."""
    clock, registry, surroundings = SystemClock(), Registry(WORKFLOWS), Surroundings()
    store = open_store(f"sqlite:///{folder}/hub.db", clock)
    left, ended = 0, asyncio.Event()

    def on_ended(_id: str) -> None:
        nonlocal left
        left -= 1
        if not left:
            ended.set()

    worker = Worker(store, registry, surroundings, clock, "bench", on_ended=on_ended)
    store.listen(worker.hear)
    stop = asyncio.Event()
    serving = asyncio.create_task(worker.serve(stop))

    async def run(name: str, size: int, count: int) -> float:
        nonlocal left
        left = count
        ended.clear()
        begin = time.perf_counter()
        requests = [
            start_request(registry, surroundings, clock, workflow=name, args=size, invoker=None, requested_by="bench")
            for _ in range(count)
        ]
        await asyncio.gather(*[store.start(one) for one in requests])
        await ended.wait()
        return time.perf_counter() - begin

    for name, size, _ in SHAPES.values():
        await run(name, size, 1)
    settle_in()
    found = {shape: await run(*SHAPES[shape]) for shape in SHAPES}
    stop.set()
    worker.waker.ring()
    await serving
    await worker.drain(1)
    await store.close()
    return found


def measured(command: list[str], folder: str) -> dict[str, Any]:
    output = subprocess.run([*command, folder], capture_output=True, text=True, check=True, timeout=300).stdout
    return dict(json.loads(output.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", help="a Python that has DBOS; see README.md")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", metavar="FOLDER", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            print(json.dumps(runner.run(hub_side(given.side))))
        return
    sides = {"hub": [sys.executable, __file__, "--side"]}
    if given.peer_python:
        sides["DBOS (WAL, FULL)"] = [given.peer_python, str(HERE / "dbos_shapes.py")]
    rounds: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for _ in range(given.rounds):
        for side, command in sides.items():
            with tempfile.TemporaryDirectory(dir=HERE) as folder:  # on the project's own disk
                rounds[side].append(measured(command, folder))
    for shape, (_, size, count) in SHAPES.items():
        print(f"\n{TITLES[shape]}")
        for side, found in rounds.items():
            times = [one[shape] for one in found]
            middle = statistics.median(times)
            print(
                f"{side:20} {middle:8.3f} s {size * count / middle:10,.0f} jobs/s   {' '.join(f'{t:.3f}' for t in times)}"
            )


if __name__ == "__main__":
    main()
