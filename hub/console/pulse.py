"""What happened in the last day, hour by hour. Hours that are over are counted once and kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from functools import partial

from hub.client import Client
from hub.client.overview import Counts

HOUR_MS = 3_600_000
HOURS = 24
#: How long a page waits for hours that are still to be counted; the next one finds them.
_PATIENCE = 0.12
#: An hour is over so long after its end: events of its last moment may still be on their way.
_SETTLED_MS = 5_000


class Pulse:
    """The hours of one hub, for all who look."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Counts] = OrderedDict()
        self._counting: dict[int, asyncio.Task[Counts]] = {}

    async def day(self, client: Client, now: int) -> tuple[list[tuple[int, Counts | None]], bool]:
        """(begin of the hour, counts) from the oldest on, the present one last; whether some are still being counted."""
        last = now - now % HOUR_MS
        begins = [last - HOUR_MS * back for back in range(HOURS - 1, -1, -1)]
        missing = [begin for begin in begins if begin not in self._kept and begin not in self._counting]
        for begin in reversed(missing):
            task = asyncio.create_task(self._count(client, begin, now))
            self._counting[begin] = task
            task.add_done_callback(partial(self._counted, begin))
        waiting = {begin: self._counting[begin] for begin in begins if begin in self._counting}
        if waiting:
            await asyncio.wait(waiting.values(), timeout=_PATIENCE)
        hours = [(begin, self._found(begin, waiting.get(begin))) for begin in begins]
        return hours, any(counts is None for _, counts in hours)

    def _counted(self, begin: int, _task: asyncio.Task[Counts]) -> None:
        self._counting.pop(begin, None)

    async def _count(self, client: Client, begin: int, now: int) -> Counts:
        counts = await client.counts_between(begin, begin + HOUR_MS)
        if begin + HOUR_MS + _SETTLED_MS < now:
            self._kept[begin] = counts
            while len(self._kept) > HOURS:
                self._kept.popitem(last=False)
        return counts

    def _found(self, begin: int, task: asyncio.Task[Counts] | None) -> Counts | None:
        if begin in self._kept:
            return self._kept[begin]
        done = task is not None and task.done() and not task.cancelled() and task.exception() is None
        return task.result() if task is not None and done else None
