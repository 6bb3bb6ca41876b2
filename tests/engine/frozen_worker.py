"""A worker in a process of its own, which stops itself (SIGSTOP) at a named phase of an execution that asks for it.

`python frozen_worker.py STORE FOLDER NODE LEASE [fault]`. Where it stops, it leaves its pid in the file `stopped-EXECUTION`, once for
each execution. Effects are lines in the file `effects`: execution, path, epoch, node, seconds since boot.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hub import Context, job, workflow
from hub.engine.lease import Lease
from hub.engine.registry import Registry
from hub.engine.surroundings import Surroundings
from hub.engine.waking import Gate
from hub.engine.worker import Worker
from hub.model.clock import SystemClock
from hub.model.execution import Claimed
from hub.store import open_store
from hub.store.committing import Committer, Operation

STEPS = 3
STEP_SECONDS = 0.1

#: Where a process can stand still; the last four are before and after a batch with that verb in it.
PHASES = (
    "before an effect",
    "behind an effect",
    "before checkpoint",
    "after checkpoint",
    "after claim",
    "before beat",
)


class Stops:
    """Which execution this process works on, and where that one wants it to stand still."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.execution = ""
        self.phase = ""

    def look(self, ctx: Context, phase: str) -> None:
        self.execution, self.phase = ctx.idempotency_key.partition("/")[0], phase

    def at(self, phase: str) -> None:
        """Stand still here, if this is the place and nobody has for this execution."""
        if phase != self.phase:
            return
        try:
            with (self._folder / f"stopped-{self.execution}").open("x", encoding="ascii") as file:
                file.write(str(os.getpid()))
        except FileExistsError:
            return
        # To this very thread: the process stops here, and not a little later.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    def attach(self, committer: Committer) -> None:
        """Look on at every batch. Not within it: a process that stands still there would hold the file's lock."""
        commit = committer.commit

        def watched(batch: Sequence[Operation]) -> None:
            for one in batch:
                self.at(f"before {one.verb.name}")
            commit(batch)
            for one in batch:
                if one.verb.name == "claim":
                    self._look_at_claimed(one.result)
                self.at(f"after {one.verb.name}")

        committer.commit = watched  # type: ignore[method-assign]

    def _look_at_claimed(self, claimed: Sequence[Claimed]) -> None:
        """No job of it has begun and said what it wants."""
        for one in claimed:
            if one.args == '"after claim"':
                self.execution, self.phase = one.id, "after claim"


def workflows(folder: Path, node: str, stops: Stops) -> Any:
    def effect(ctx: Context) -> None:
        epoch = ctx._run.claimed.epoch
        line = f"{ctx.idempotency_key} {epoch} {node} {time.clock_gettime(time.CLOCK_BOOTTIME):.4f}\n"
        file = os.open(folder / "effects", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, line.encode())
        os.close(file)

    @job
    async def step(input: str, ctx: Context) -> str:
        stops.look(ctx, input)
        stops.at("before an effect")
        effect(ctx)
        stops.at("behind an effect")
        await asyncio.sleep(STEP_SECONDS)
        return f"epoch {ctx._run.claimed.epoch}"

    @job(name="frozen-main")
    async def main(input: str, ctx: Context) -> list[str]:
        del ctx
        return [await step.trigger(input) for _ in range(STEPS)]

    return workflow("frozen", main)


def plant(fault: str) -> None:
    if fault == "gate":
        Gate.open = True  # type: ignore[assignment,method-assign]  # the planted bug: the lease is not looked at
    if fault == "fence":
        commit = Committer.commit

        def as_holder(self: Committer, batch: Any) -> None:
            """The planted bug: whoever writes a checkpoint is taken for the holder."""
            raw = self.connection.raw  # type: ignore[attr-defined]
            for one in batch:
                if one.verb.name == "checkpoint":
                    found = raw.execute(
                        "SELECT epoch FROM executions WHERE id = ?", (one.item.execution_id,)
                    ).fetchone()
                    one.item = replace(one.item, epoch=found[0])
            commit(self, batch)

        Committer.commit = as_holder  # type: ignore[method-assign]


async def work(url: str, folder: Path, node: str, lease: float) -> None:
    stops, clock = Stops(folder), SystemClock()
    store = open_store(url, clock, checkpoints=node == "node-1")
    stops.attach(store._writer._committer)  # type: ignore[attr-defined]
    store._dialect.shared = True  # several processes, as on a server's database
    worker = Worker(store, Registry([workflows(folder, node, stops)]), Surroundings(), clock, node)
    store.listen(worker.hear)
    keeping = Lease(store, clock, node, worker, seconds=lease)
    await keeping.take()
    (folder / f"up-{node}").touch()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(keeping.serve(stop))
        group.create_task(worker.serve(stop))


if __name__ == "__main__":
    plant(sys.argv[5] if len(sys.argv) > 5 else "")
    asyncio.run(work(sys.argv[1], Path(sys.argv[2]), sys.argv[3], float(sys.argv[4])))
