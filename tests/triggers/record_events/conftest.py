from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from record_stand_ins import Shop


@pytest.fixture(params=["wal", "delete"])
def shop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """A shop in each journal mode."""
    made = Shop(tmp_path, journal=request.param)
    yield made
    asyncio.run(made.watched.close())
    made.store.close()
    made.owner.close()
