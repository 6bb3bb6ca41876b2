"""The executions that run in a process, each with the task it runs in. For one loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from hub.engine.runner import Run


class UnderWay:
    """Runs by the id of their execution. Of each execution only the newest claim counts."""

    def __init__(self) -> None:
        self._runs: dict[str, tuple[Run, asyncio.Task[None]]] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        """Those of this moment: they may end, and others begin, while somebody goes through them."""
        return iter([run for run, _ in self._runs.values()])

    def __contains__(self, execution_id: str) -> bool:
        return execution_id in self._runs

    @property
    def ids(self) -> list[str]:
        return list(self._runs)

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        return [task for _, task in self._runs.values()]

    @property
    def unfinished(self) -> list[Run]:
        return [run for run, task in self._runs.values() if not task.done()]

    def begin(self, run: Run) -> asyncio.Task[None]:
        """Run it in a task of its own. An older claim of the same execution is stopped: this node was taken for dead."""
        older = self._runs.get(run.claimed.id)
        if older is not None:
            older[0].stop()
        task = asyncio.Task(run.execute(), loop=asyncio.get_running_loop())
        self._runs[run.claimed.id] = (run, task)
        return task

    def remove(self, run: Run) -> None:
        """It has ended. A newer claim of its execution stays."""
        if self.under(run.claimed.id, run.claimed.epoch) is run:
            del self._runs[run.claimed.id]

    def under(self, execution_id: str, epoch: int) -> Run | None:
        """The run of this execution under this claim; None when it has ended, or has been claimed anew."""
        run = self._runs.get(execution_id, (None, None))[0]
        return run if run is not None and run.claimed.epoch == epoch else None
