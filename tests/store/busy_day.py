"""What a hub does all the time, once: for tests that look at what each statement of it costs."""

from __future__ import annotations

from typing import Any

from kit import Bench

from hub import ConcurrencyPolicy, Context, job, wait_point, workflow
from hub.model.event import Delivery, NewEvent, Outcome
from hub.model.wait import Resolution, Signal
from hub.store.events import Dispatched
from hub.store.pruning import Prune

#: Tables that grow with what is stored, or with what waits.
GROWING = {
    "events", "deliveries", "executions", "checkpoints", "logs", "waits", "answers", "signals", "slots", "schedules",
}  # fmt: skip

approval = wait_point("approval")


@job
async def add_one(input: int) -> int:
    return input + 1


@job
async def ask(input: dict[str, int], ctx: Context) -> Any:
    ctx.log.info("asking")
    await add_one.trigger(input["n"])
    await ctx.step.sleep("a while", "1h")
    await ctx.step.invoke(adding, 1)
    await ctx.step.wait_for_signal("go", timeout="1d", default=None)
    return await approval.wait(input, timeout="3d")


adding = workflow("adding", add_one, concurrency_policy=ConcurrencyPolicy(max_concurrent_executions=2))
asking = workflow("asking", ask, concurrency_policy=ConcurrencyPolicy(max_concurrent_executions=2, key="input.n"))


async def a_day(bench: Bench) -> None:
    store, clock = bench.store, bench.clock
    fact = NewEvent("webhook:x", "1", "push", 1, {}, body=b"{}", executors=("x",), body_key="b", window=1_000)
    stored = await store.store_event(fact)
    await store.store_event(fact)
    assert (await store.undispatched(limit=10))[0]
    await store.dispatch(
        Dispatched(stored.id, (Delivery(f"{stored.id}.x", stored.id, "x", Outcome.PAUSED, "r", 1),), ())
    )
    waiting = await bench.start("asking", {"n": 1}, key="k")
    await bench.start("asking", {"n": 1}, key="k")
    await bench.work()
    for _ in range(3):
        clock.advance(3_601)
        await bench.work()
    await store.signal(Signal("s", "go", "1", now=clock.now(), to_all=False, execution_id=None))
    await bench.work()
    await store.resolve_wait(Resolution(waiting, "approval", "true", clock.now(), by="ada"))
    await bench.work()
    assert (await bench.record(waiting)).finished_at is not None
    await store.cancel(await bench.start("adding", 1))
    await bench.worker.sweep()
    await store.rescue()
    await store.alone(bench.node)
    await store.due_schedules(clock.now(), 10)
    await store.prune(Prune(clock.now(), clock.now(), limit=20))
    await store.flush()
