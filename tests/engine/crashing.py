"""Processes that end at a commit, and what must hold when the next one has taken over."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from kit import Bench, FakeClock, unbalanced
from mortal import Crash, end_like_a_process

from hub import Context, JobFailed, RetryPolicy, Triggered, Workflow, job, workflow
from hub.model.execution import ExecutionRecord, Status
from hub.store.nodes import About

T = TypeVar("T")


class Effects:
    """A foreign system that notes every request: (idempotency key, what was stored for that path by then)."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        #: Paths whose result was committed, or given to the caller: from then on no effect of theirs may come.
        self.final: set[str] = set()
        self.late: list[str] = []

    async def given(self, call: Triggered[T]) -> T:
        """Await a call; the caller has its result now."""
        found = await call
        self.final.add(call._call.path)
        return found

    def __call__(self, ctx: Context) -> int:
        self.seen.append(ctx.idempotency_key)
        if ctx.path in self.final:
            self.late.append(ctx.path)
        return self.seen.count(ctx.idempotency_key)


def scenario(effects: Effects) -> list[Workflow[Any, Any]]:  # noqa: C901 - many small jobs
    """Nested and gathered calls, a plain job, a caught failure, tries of a job, a retry of the whole, another start."""

    @job
    async def leaf(input: int, ctx: Context) -> int:
        effects(ctx)
        return 10 * input

    @job
    def plain(input: int, ctx: Context) -> int:
        effects(ctx)
        return leaf.trigger(input).result() + 1

    @job
    async def broken(ctx: Context) -> None:
        effects(ctx)
        raise ValueError("always")

    @job(retry=RetryPolicy(max_retries=3))
    async def tried(ctx: Context) -> int:
        effects(ctx)
        inner = await effects.given(leaf.trigger(7))
        if ctx.attempt < 3:
            raise ConnectionError("not yet")
        return inner

    @job
    async def late_success(ctx: Context) -> str:
        effects(ctx)
        if len([key for key in effects.seen if key == ctx.idempotency_key]) < 2:
            raise ConnectionError("the first time")
        return "late"

    @job(name="other-main")
    async def other_main(ctx: Context) -> None:
        effects(ctx)

    other = workflow("other-one", other_main)

    @job(name="main-job")
    async def main(ctx: Context) -> dict:
        async def branch(number: int) -> int:
            return await effects.given(leaf.trigger(number)) + await effects.given(leaf.trigger(number + 1))

        first = await effects.given(plain.trigger(1))
        found = [first, *await asyncio.gather(branch(2), branch(4), effects.given(tried.trigger()))]
        with contextlib.suppress(ValueError, JobFailed):
            await broken.trigger()
        started = await other.trigger({})
        return {"found": found, "late": await late_success.trigger(), "started": started is not None}

    policy = RetryPolicy(max_retries=5, initial_backoff="1s")
    return [workflow("main-one", main, retry_policy=policy), other]


RESULT = {"found": [11, 50, 90, 70], "late": "late", "started": True}


class Points:
    """Counts the moments of commits, and ends the process at one of them."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.passed: list[tuple[str, tuple[str, ...]]] = []

    def __call__(self, moment: str, verbs: Sequence[str]) -> None:
        self.passed.append((moment, tuple(verbs)))
        if self.at is not None and len(self.passed) == self.at:
            raise Crash


def live_through(
    folder: Path, crash_at: int | None, *, wreck: Callable[[Bench], None] = lambda _bench: None
) -> Outcome:
    """Run the scenario, ending the process at that point, then again in new processes until it has come to its end."""
    effects, clock = Effects(), FakeClock()
    url = f"sqlite:///{folder}/crash-{crash_at}.db"
    first = Points(crash_at)
    left = _one_process(url, effects, clock, first, "node-1", wreck)
    crashed = left is None
    if left is None:
        left = _one_process(url, effects, clock, Points(None), "node-2", wreck)
    assert left is not None
    return Outcome(effects, left, points=first.passed, crashed=crashed, books=unbalanced(url))


class Outcome:
    def __init__(
        self,
        effects: Effects,
        executions: list[ExecutionRecord],
        *,
        points: list[tuple[str, tuple[str, ...]]],
        crashed: bool,
        books: list[str],
    ) -> None:
        self.effects = effects
        self.executions = executions
        self.points = points
        self.crashed = crashed
        self._books = books

    def faults(self) -> list[str]:
        """What is wrong. Empty: every promise was kept."""
        found = [*self._books, *(f"{path} ran again after its result was stored" for path in self.effects.late)]
        mains = [record for record in self.executions if record.workflow == "main-one"]
        others = [record for record in self.executions if record.workflow == "other-one"]
        if [record.status for record in mains] != [Status.SUCCESS]:
            found.append(f"the execution ended as {[(str(record.status), record.error) for record in mains]}")
        elif mains[0].result != RESULT:
            found.append(f"the result is {mains[0].result}")
        if [record.status for record in others] != [Status.SUCCESS]:
            found.append(f"the other one: {[str(record.status) for record in others]}")
        # One crash: at most one more request than tries, for each call that it met.
        stored = {f"{record.id}/{call.path}": call for record in self.executions for call in record.jobs}
        for key, count in Counter(self.effects.seen).items():
            if key not in stored:
                found.append(f"{key} had an effect and is not stored")
            elif not stored[key].attempts <= count + self.crashed or count > stored[key].attempts + self.crashed:
                found.append(f"{key}: {count} effects of {stored[key].attempts} tries")
        return found


def _one_process(
    url: str, effects: Effects, clock: FakeClock, points: Points, node: str, wreck: Callable[[Bench], None]
) -> list[ExecutionRecord] | None:
    """What it left behind; None: it crashed."""
    bench = Bench(url, [], clock=clock, node=node, inline=True)
    committer = bench.store._writer._committer
    raw = committer.connection.raw
    bench.redefine(*scenario(effects))
    wreck(bench)

    def probe(moment: str, verbs: Sequence[str]) -> None:
        points(moment, verbs)
        if moment == "after":
            rows = raw.execute("SELECT path FROM checkpoints WHERE status = 'SUCCESS'").fetchall()
            effects.final.update(row[0] for row in rows)

    async def life(bench: Bench) -> list[ExecutionRecord]:
        await _process(bench, asyncio.get_running_loop())
        return await _look(bench)

    return one_life(bench, life, probe)[1]


async def move_in(bench: Bench) -> None:
    """What a process does first: it knows that it is alone, and takes over what the last one held."""
    await bench.store.beat(bench.node, About("host", 1), 15_000)
    await bench.store.alone(bench.node)
    await bench.store.rescue()


def one_life(
    bench: Bench, story: Callable[[Bench], Awaitable[T]], probe: Callable[[str, Sequence[str]], None]
) -> tuple[bool, T | None]:
    """Play a story in a process that ends where `probe` raises Crash; whether it did, and what the story gave.

    The bench is one whose store is written inline, on a file.
    """
    bench.store._writer._committer._probe = probe
    loop = asyncio.new_event_loop()
    try:
        found = loop.run_until_complete(story(bench))
    except Crash:
        end_like_a_process(bench, loop)
        return True, None
    else:
        loop.run_until_complete(bench.close())
        return False, found
    finally:
        loop.close()


def at_commit(verb: str, moment: str, number: int) -> Callable[[str, Sequence[str]], None]:
    """A probe that ends the process before or after the how-many-th commit that has this verb."""
    passed = 0

    def probe(when: str, verbs: Sequence[str]) -> None:
        nonlocal passed
        if verb in verbs and when == moment:
            passed += 1
            if passed == number:
                raise Crash

    return probe


async def _process(bench: Bench, loop: asyncio.AbstractEventLoop) -> None:
    await move_in(bench)
    await bench.start("main-one", {}, key="the-one")
    for _ in range(12):
        await bench.work()
        bench.clock.advance(40)


async def _look(bench: Bench) -> list[ExecutionRecord]:
    return [await bench.record(found.id) for found in await bench.store.executions()]
