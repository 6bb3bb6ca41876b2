"""A kit for tests of workflows: the real engine in memory, with a clock that moves only when told.

async with VirtualEngine(workflows=[order_processing]) as engine:
    run = await engine.start(order_processing, {"total": 2000})
    await engine.advance("3d")
    assert await run.result() == ...
"""

from __future__ import annotations

from hub.engine.history import History
from hub.engine.rehearsal import HistoryDiffers, replay
from hub.testing.engine import VirtualEngine
from hub.testing.mocks import Mock
from hub.testing.run import VirtualRun

__all__ = ["History", "HistoryDiffers", "Mock", "VirtualEngine", "VirtualRun", "replay"]
