"""The work that is under way while servers are killed: chains of three to five jobs, each of which leaves a line before it works."""

from __future__ import annotations

from server_projects import start

WORKFLOWS = """
def leave(ctx, stage):
    note(ctx, stage, ctx._run.claimed.epoch, time.monotonic())

async def work(input, ctx):
    leave(ctx, input["stage"])
    await asyncio.sleep(input["ms"] / 1000)
    return input["stage"]

@job
async def first(input, ctx: Context):
    return await work(input, ctx)

@job
async def second(input, ctx: Context):
    return await work(input, ctx)

@job
async def third(input, ctx: Context):
    return await work(input, ctx)

@job
def fourth(input, ctx: Context):
    leave(ctx, input["stage"])
    time.sleep(input["ms"] / 1000)
    return input["stage"]

@job
async def fifth(input, ctx: Context):
    return await work(input, ctx)

@job
async def several(input, ctx: Context):
    ms = input["ms"]
    done = [await first.trigger({"stage": 1, "ms": ms})]
    done += await asyncio.gather(second.trigger({"stage": 2, "ms": ms}), third.trigger({"stage": 2, "ms": 2 * ms}))
    if input["jobs"] > 3:
        done.append(await fourth.trigger({"stage": 3, "ms": ms}))
    if input["jobs"] > 4:
        done.append(await fifth.trigger({"stage": 4, "ms": ms}))
    leave(ctx, 9)
    return done

chain = workflow("chain", several)
"""
STAGES = [1, 2, 2, 3, 4]
EXECUTORS = {
    "hook": {
        "trigger": {"webhook": {"dedupe": {"key": "header:x-delivery"}}},
        "target": start("chain", "({ jobs: args.body.jobs, ms: args.body.ms })"),
    },
    "row": {
        "trigger": {"event": {"namespace": "shop", "type": "record.created", "model": "items"}},
        "target": start("chain", "({ jobs: args.newRecord.total, ms: 2 })"),
    },
}
