"""A user's program: `python client_program.py STORE MARKS crash|resume`. Killed in the middle, then run again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from hub import Client
from hub.drivers import SQLiteDriver

store, marks, mode = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
client = Client(driver=SQLiteDriver(store))


def mark(text: str) -> str:
    with marks.open("a") as file:
        file.write(text + "\n")
    return text


@client.workflow(id="two-steps")
async def two_steps(ctx, step):
    first = await step.run("first", mark, f"first of {ctx.input}")
    if mode == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    return [first, await step.run("second", mark, "second")]


async def main() -> None:
    if mode == "crash":
        run = await client.start_workflow(two_steps, "it", idempotency_key="the-one")
    else:
        (found,) = await client.executions()
        run = client.run(found.id)
    sys.stdout.write(f"{await run.result(timeout='20s')}\n")


asyncio.run(main())
