"""A worker and a scheduler in a process of their own, which stops itself (SIGSTOP) at a named phase of an execution or a slot.

`python frozen_worker.py STORE FOLDER NODE LEASE [fault]`. Where it stops, it leaves its pid in the file `stopped-EXECUTION` or
`stopped-SLOT`, once for each. Effects are lines in the file `effects`: execution/path, epoch, node, seconds since boot, and how old
the lease was when the gate was last found open. The scheduler's time of day stands in the file `time`, the phase that it stops at in
`tick`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
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
from hub.model.executor import Executor, JobTarget, ScheduleTrigger
from hub.store import Store, open_store
from hub.store.committing import Committer, Operation
from hub.triggers.schedule.loop import Scheduler

STEPS = 3
STEP_SECONDS = 0.1

MINUTELY = Executor("minutely", ScheduleTrigger("* * * * *", missed="all"), JobTarget("job", None))

#: Where a process can stand still in an execution; most are before and after a batch with that verb in it.
PHASES = (
    "before an effect",
    "behind an effect",
    "before checkpoint",
    "after checkpoint",
    "before log",
    "after claim",
    "before beat",
)
#: Where it can in a check of the schedules: once it has read what is due, and about the batch that records it.
TICKS = ("in a check", "before record_slots", "after record_slots")


class Stops:
    """Which execution this process works on, and where that one wants it to stand still."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: The execution or the slot.
        self.execution = ""
        self.phase = ""
        #: How old the lease was when a gate was last found open.
        self.lease_age = 0.0
        #: Held within each batch: a process that stands still there would hold the file's lock, and nobody else could go on.
        self._batch = threading.Lock()

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
        with self._batch:
            # To this very thread: the process stops here, and not a little later.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    def look_at_slot(self, slot: int) -> None:
        self.execution, self.phase = str(slot), (self._folder / "tick").read_text()

    def attach(self, committer: Committer) -> None:
        """Look on at every batch, from outside."""
        commit = committer.commit

        def watched(batch: Sequence[Operation]) -> None:
            for one in batch:
                if one.verb.name == "record_slots":
                    self.look_at_slot(one.item.expected)
                self.at(f"before {one.verb.name}")
            with self._batch:
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

    def watch_the_gate(self, lease: Lease) -> None:
        """Note what the lease was like whenever something was let through."""
        is_open = Gate.open.fget if isinstance(Gate.open, property) else lambda _gate: True
        assert is_open is not None

        def noted(gate: Gate) -> bool:
            age = SystemClock().monotonic() - lease._renewed
            found = bool(is_open(gate))
            if found:
                self.lease_age = age
            return found

        Gate.open = property(noted)  # type: ignore[assignment,method-assign]


class ToldTime(SystemClock):
    """The time of day is what a file says."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "time"

    def now(self) -> int:
        return int(self._file.read_text())


async def tick(store: Store, folder: Path, stops: Stops, stop: asyncio.Event) -> None:
    """Check the schedules all the time."""
    due = store.due_schedules

    async def due_and_stand(now: int, limit: int) -> Any:
        rows = await due(now, limit)
        for row in rows:
            if row.next_fire_at is not None and row.next_fire_at <= now:
                stops.look_at_slot(row.next_fire_at)
                stops.at("in a check")
        return rows

    store.due_schedules = due_and_stand  # type: ignore[method-assign]
    scheduler = Scheduler(store, ToldTime(folder), lambda: [MINUTELY], lambda: None)
    await scheduler.sync_definitions()
    while not stop.is_set():
        await scheduler.run_once()
        await asyncio.sleep(0.02)


def workflows(folder: Path, node: str, stops: Stops) -> Any:
    def effect(ctx: Context) -> None:
        epoch = ctx._run.claimed.epoch
        at = time.clock_gettime(time.CLOCK_BOOTTIME)
        line = f"{ctx.idempotency_key} {epoch} {node} {at:.4f} {stops.lease_age:.4f}\n"
        file = os.open(folder / "effects", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, line.encode())
        os.close(file)

    @job
    async def step(input: str, ctx: Context) -> str:
        stops.look(ctx, input)
        stops.at("before an effect")
        effect(ctx)
        stops.at("behind an effect")
        ctx.log.info("epoch %d", ctx._run.claimed.epoch)
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
    if fault == "slots":
        take_for_the_holder(
            "record_slots", "expected", "SELECT next_fire_at FROM schedules WHERE executor = ?", _executor
        )
    if fault in ("checkpoint", "log"):
        take_for_the_holder(fault, "epoch", "SELECT epoch FROM executions WHERE id = ?", _execution)


def take_for_the_holder(verb: str, field: str, holds: str, of: Callable[[Any], str]) -> None:
    """The planted bug: whoever writes this is taken for the one who may."""
    commit = Committer.commit

    def as_holder(self: Committer, batch: Any) -> None:
        raw = self.connection.raw  # type: ignore[attr-defined]
        for one in batch:
            if one.verb.name == verb:
                ((found,),) = raw.execute(holds, (of(one.item),)).fetchall()
                change = {field: found}
                one.item = one.item._replace(**change) if isinstance(one.item, tuple) else replace(one.item, **change)
        commit(self, batch)

    Committer.commit = as_holder  # type: ignore[method-assign]


def _executor(item: Any) -> str:
    return str(item.executor)


def _execution(item: Any) -> str:
    return str(getattr(item, "line", item).execution_id)


async def work(url: str, folder: Path, node: str, lease: float) -> None:
    stops, clock = Stops(folder), SystemClock()
    store = open_store(url, clock, checkpoints=node == "node-1")
    stops.attach(store._writer._committer)  # type: ignore[attr-defined]
    store._dialect.shared = True  # several processes, as on a server's database
    worker = Worker(store, Registry([workflows(folder, node, stops)]), Surroundings(), clock, node)
    store.listen(worker.hear)
    keeping = Lease(store, clock, node, worker, seconds=lease)
    stops.watch_the_gate(keeping)
    await keeping.take()
    (folder / f"up-{node}").touch()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(keeping.serve(stop))
        group.create_task(worker.serve(stop))
        group.create_task(tick(store, folder, stops, stop))


if __name__ == "__main__":
    plant(sys.argv[5] if len(sys.argv) > 5 else "")
    asyncio.run(work(sys.argv[1], Path(sys.argv[2]), sys.argv[3], float(sys.argv[4])))
