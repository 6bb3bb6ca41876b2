"""A worker that was frozen past its lease: another one has taken over, and nothing of the first is accepted any more."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest
from kit import PATIENCE, Bench, FakeClock, of

from hub import Context, RetryPolicy, job, workflow
from hub.model.errors import Fenced
from hub.model.execution import Checkpoint, JobStatus, LogLine, Settled, Started, StartRequest, Status
from hub.store import checkpoints, executions
from hub.store.checkpoints import CallWrite, Handled, LogWrite
from hub.store.claims import Claimable, ClaimRequest


class Frozen:
    """Two workers on one store; the first stands still inside a job until it is told to go on."""

    def __init__(self, url: str, phase: str) -> None:
        self.frozen = asyncio.Event()
        self.go_on = asyncio.Event()
        self.starts: list[str] = []
        freeze = self

        async def stand_still(ctx: Context, where: str) -> None:
            if where == phase and not freeze.frozen.is_set():
                freeze.frozen.set()
                await freeze.go_on.wait()
                ctx.log.info("late")

        @job(name="other-main")
        async def other_main() -> None: ...

        other = workflow("other-one", other_main)

        @job(retry=RetryPolicy(max_retries=2))
        async def step(ctx: Context) -> str:
            freeze.starts.append(ctx.path)
            await stand_still(ctx, "in a call")
            if ctx.attempt == 1 and phase == "before a try":
                await stand_still(ctx, "before a try")
                raise ConnectionError
            return f"by epoch {ctx._run.claimed.epoch}"

        @job(name="main-job")
        async def main(ctx: Context) -> str:
            found = await step.trigger()
            await stand_still(ctx, "between calls")
            if phase == "before a start":
                await stand_still(ctx, phase)
                await other.trigger({})
            await stand_still(ctx, "before the end")
            return found

        self.clock = FakeClock()
        self.first = Bench(url, [workflow("frozen", main), other], clock=self.clock)
        self.second = self.first
        self.workflows = [workflow("frozen", main), other]

    async def take_over(self) -> str:
        """The second worker rescues and runs it, while the first stands still."""
        execution_id = await self.first.start("frozen")
        await self.first.worker.run_once()
        await asyncio.wait_for(self.frozen.wait(), PATIENCE)
        await self.first.store.rescue()
        self.worker = type(self.first.worker)(
            self.first.store, self.first.registry, self.first.surroundings, self.clock, "node-2"
        )
        assert await self.worker.run_once() == 1
        await asyncio.wait(self.worker.runs.tasks)
        return execution_id


PHASES = ["in a call", "before a try", "between calls", "before a start", "before the end"]


async def _late_writes(url: str, phase: str) -> list[str]:
    """What was accepted of the first worker after the second had taken over."""
    frozen = Frozen(url, phase)
    bench = frozen.first
    execution_id = await frozen.take_over()
    await bench.store.flush()
    before = await bench.record(execution_id)
    assert before.status is Status.SUCCESS
    others = len(await bench.store.executions(workflow="other-one"))
    starts = len(frozen.starts)
    frozen.go_on.set()
    await asyncio.wait(bench.worker.runs.tasks)
    await bench.store.flush()
    late = []
    if await bench.record(execution_id) != before:
        late.append("the execution or its calls changed")
    if len(await bench.store.executions(workflow="other-one")) != others:
        late.append("another one was started")
    if len(frozen.starts) != starts:
        late.append("a step began")
    if await bench.store.logs(execution_id):
        late.append("a line was kept")
    await frozen.worker.drain(0)
    await bench.close()
    return late


@pytest.mark.parametrize("phase", PHASES)
def test_nothing_late_is_accepted(store_url: str, phase: str) -> None:
    assert asyncio.run(_late_writes(store_url, phase)) == []


_FENCE = "AND e.epoch = v.epoch AND e.status = 'RUNNING'"


@pytest.mark.parametrize("part", ["_FINISH", "_MARK", "_LOG", "_SETTLE"])
def test_without_its_fence_each_statement_lets_something_late_in(
    quick_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    home = executions if part == "_SETTLE" else checkpoints
    whole = getattr(home, part)
    body = whole.body.replace("AND e.epoch = v.epoch AND e.status = 'RUNNING'", "").replace("AND e.epoch = v.epoch", "")
    body = body.replace("AND executions.epoch = v.epoch AND executions.status = 'RUNNING'", "")
    assert body != whole.body
    monkeypatch.setattr(home, part, dataclasses.replace(whole, body=body))

    async def direct() -> bool:
        bench, stale = await _taken_over(f"sqlite:///{quick_path}/mutant.db")
        before = await _everything(bench, stale.execution_id)
        await _write_all(bench, stale)
        changed = await _everything(bench, stale.execution_id) != before
        await bench.close()
        return changed

    assert asyncio.run(direct())


@dataclasses.dataclass
class Stale:
    execution_id: str
    epoch: int


async def _taken_over(url: str) -> tuple[Bench, Stale]:
    bench = Bench(url, [])
    request = StartRequest("E1", "frozen", "{}", None, bench.clock.now())
    await bench.store.start(request)
    for node in ("node-1", "node-2"):
        claim = ClaimRequest(node, (Claimable("frozen", "r"),), 1, bench.clock.now())
        (claimed,) = await bench.store.claim(claim)
        if node == "node-1":
            failed = _call("main/failed", status=JobStatus.FAILED, error="{}", attempts=2)
            for call in (_call("main/done"), failed):
                await bench.store.checkpoint(CallWrite("E1", claimed.epoch, call))
            await bench.store.rescue()
    return bench, Stale("E1", claimed.epoch - 1)


def _call(path: str, **how: object) -> Checkpoint:
    settings = {"status": JobStatus.SUCCESS, "result": "1", **how}
    if settings["status"] is not JobStatus.SUCCESS:
        settings["result"] = None
    return Checkpoint(path, "call", args="{}", args_hash="h", **settings)  # type: ignore[arg-type]


async def _write_all(bench: Bench, stale: Stale) -> list[str]:
    """Every verb that a worker has; the names of those that were not refused aloud."""
    store, execution_id, epoch = bench.store, stale.execution_id, stale.epoch
    allowed = []
    for name, write in {
        "checkpoint": store.checkpoint(CallWrite(execution_id, epoch, _call("main/failed"))),
        "checkpoint of a new call": store.checkpoint(CallWrite(execution_id, epoch, _call("main/new"))),
        "begin": store.begin(
            CallWrite(execution_id, epoch, _call("main/failed", status=JobStatus.RUNNING, attempts=9))
        ),
        "settle": store.settle(Settled(execution_id, epoch, Status.FAILED, bench.clock.now(), error="{}")),
        "finish": store.finish(
            CallWrite(execution_id, epoch, _call("main")), Settled(execution_id, epoch, Status.SUCCESS, 1)
        ),
        "start_nested": store.start_nested(
            StartRequest("E2", "other", "{}", None, 1), CallWrite(execution_id, epoch, _call("main/start"))
        ),
    }.items():
        try:
            await write
        except Fenced:
            continue
        allowed.append(name)
    store.mark(CallWrite(execution_id, epoch, _call("main/marked", status=JobStatus.RUNNING)))
    store.handled(Handled(execution_id, epoch, "main/failed"))
    store.log(LogWrite(epoch, LogLine(execution_id, "main", 1, "INFO", "late")))
    await store.flush()
    return allowed


async def _everything(bench: Bench, execution_id: str) -> tuple[object, ...]:
    await bench.store.flush()
    return (
        await bench.record(execution_id),
        await bench.store.logs(execution_id),
        [found.id for found in await bench.store.executions()],
    )


def test_every_verb_of_an_older_epoch_is_refused(store_url: str) -> None:
    async def story() -> None:
        bench, stale = await _taken_over(store_url)
        before = await _everything(bench, stale.execution_id)
        assert await _write_all(bench, stale) == []
        assert await _everything(bench, stale.execution_id) == before
        # The same writes under the present epoch are accepted: it is the epoch that decides.
        store, now = bench.store, stale.epoch + 1
        await store.checkpoint(CallWrite("E1", now, _call("main/new")))
        started = await store.start_nested(
            StartRequest("E2", "other", "{}", None, 1), CallWrite("E1", now, _call("main/start"))
        )
        assert isinstance(started, Started)
        assert of(await bench.record("E1"), "main/start").result == '"E2"'
        await bench.close()

    asyncio.run(story())


def test_two_epochs_in_one_batch_are_told_apart(quick_path: Path) -> None:
    async def story() -> None:
        bench, stale = await _taken_over(f"sqlite:///{quick_path}/batch.db")
        store = bench.store
        answers = await asyncio.gather(
            store.checkpoint(CallWrite("E1", stale.epoch, _call("main/same", result='"old"'))),
            store.checkpoint(CallWrite("E1", stale.epoch + 1, _call("main/same", result='"new"'))),
            store.settle(Settled("E1", stale.epoch, Status.FAILED, 1, error="{}")),
            store.settle(Settled("E1", stale.epoch + 1, Status.SUCCESS, 1, result="1")),
            return_exceptions=True,
        )
        assert [type(answer) for answer in answers] == [Fenced, type(None), Fenced, Status]
        record = await bench.record("E1")
        assert (record.status, of(record, "main/same").result) == (Status.SUCCESS, '"new"')
        await bench.close()

    asyncio.run(story())
