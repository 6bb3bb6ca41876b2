"""After a burst of work memory goes back to the system, and never while something runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.assembly import tidying
from hub.assembly.tidying import Tidying, let_memory_go


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096


def test_what_is_free_goes_back() -> None:
    # Small pieces, each other one kept for a moment: the library cannot give such a heap back by itself.
    pieces = [bytes(1_000) for _ in range(200_000)]
    kept = pieces[::200]
    del pieces
    let_memory_go()
    before = resident()
    burst = [bytes(1_000) for _ in range(100_000)]
    full = resident()
    del burst
    let_memory_go()
    assert resident() - before < (full - before) / 4
    assert kept


def test_only_where_there_is_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    monkeypatch.setattr(tidying, "let_memory_go", lambda: done.append(1))
    running = 3
    one = Tidying(lambda: running)
    assert (one.run_once(), done) == (0, [])
    running = 0
    assert (one.run_once(), done) == (1, [1])
