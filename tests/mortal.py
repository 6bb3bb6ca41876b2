"""A process that may end at any commit, and the next one that takes over: for tests that tell one story across many of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from kit import Bench, FakeClock

#: More deaths than this one after the other are a fault of the test.
_MOST_LIVES = 5


class Crash(KeyboardInterrupt):
    """The process ends here. Of a kind that leaves a loop at once, past everything that would tidy up."""


class Mortal:
    """A bench on a file, in one process after the other. `furnish` makes whatever else lives in a process."""

    bench: Bench
    loop: asyncio.AbstractEventLoop

    def __init__(self, url: str, clock: FakeClock, furnish: Callable[[Bench], None]) -> None:
        self.clock = clock
        self.processes = 0
        #: How many moments before and after commits the next work lives through; None: it comes to its end.
        self.dies_at: int | None = None
        self._left: int | None = None
        self._url = url
        self._furnish = furnish
        self.begin()

    def begin(self) -> None:
        """What a process does first: it knows that it is alone, and takes over what the last one held."""
        self.processes += 1
        self.loop = asyncio.new_event_loop()
        node = f"node-{self.processes}"
        self.bench = Bench(self._url, [], clock=self.clock, node=node, inline=True, probe=self._probe)
        self._furnish(self.bench)
        self.do(self.bench.store.alone(node))
        self.do(self.bench.store.rescue([]))

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def through(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Do it through a death that is planned, in as many processes as it takes."""
        for _ in range(_MOST_LIVES):
            self._left, self.dies_at = self.dies_at, None
            try:
                return self.do(work())
            except Crash:
                self.lose()
                self.begin()
            finally:
                self._left = None
        raise AssertionError("it does not come to rest")

    def _probe(self, moment: str, verbs: Sequence[str]) -> None:
        del moment, verbs
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self._left = None
                raise Crash

    def lose(self) -> None:
        """The process is gone, in the middle of whatever it did."""
        end_like_a_process(self.bench, self.loop)
        self.loop.close()

    def end(self) -> None:
        """It stops in order."""
        self.do(self.bench.close())
        self.loop.close()

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self.bench.store._writer._committer.connection.raw.execute(  # type: ignore[attr-defined]
            sql, values
        ).fetchall()
        return found


def end_like_a_process(bench: Bench, loop: asyncio.AbstractEventLoop) -> None:
    """Nothing of the bench may write any more; its tasks and threads are only swept up. Its store is written inline."""
    bench.store._writer._committer.connection.raw.close()  # type: ignore[attr-defined]  # the inline writer's
    _sweep_up(loop)
    bench.worker._threads.shutdown()
    bench.store._readers.shutdown()  # type: ignore[union-attr]  # a file has readers
    bench.store._dialect.close()


def _sweep_up(loop: asyncio.AbstractEventLoop) -> None:
    """Take down what a process that is gone has left in its loop."""

    async def sweep() -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    loop.set_exception_handler(lambda _loop, _context: None)
    for _ in range(100):
        try:
            loop.run_until_complete(sweep())
        except (Crash, asyncio.CancelledError):
            continue
        except RuntimeError as error:
            if "stopped before" not in str(error):  # the end of a round before, which a crash had kept from being heard
                raise
            continue
        return
