"""Parts of a run, which it holds and which know it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import ref

if TYPE_CHECKING:
    from hub.engine.runner import Run


class Part:
    """Of one run, which it does not keep alive: what is over is freed at once, and not when the collector comes."""

    def __init__(self, run: Run) -> None:
        self._held_by = ref(run)

    @property
    def _run(self) -> Run:
        run = self._held_by()
        assert run is not None, "whoever asks a part holds the run, or a scope of it"
        return run
