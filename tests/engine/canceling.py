"""Cancels executions from a process of its own: reads an id a line, and answers with the moment when the cancel was answered.

python canceling.py URL [hasty]

With the planted fault "hasty" it does not wait for the node that runs the execution.
"""

from __future__ import annotations

import asyncio
import sys
import time

from hub.model.clock import SystemClock
from hub.store import open_store


async def main(url: str, hasty: bool) -> None:
    store = open_store(url, SystemClock(), checkpoints=False)
    if hasty:
        store.shared = False
    _say("ready")
    while line := await asyncio.to_thread(sys.stdin.readline):
        await store.cancel(line.strip())
        _say(time.monotonic_ns())
    await store.close()


def _say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], "hasty" in sys.argv))
