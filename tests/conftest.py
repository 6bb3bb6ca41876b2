from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kit import Bench, play

MEMORY_DISK = Path("/dev/shm")


@pytest.fixture
def quick_path(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of memory where there is one: for tests in which processes end, not power."""
    if not MEMORY_DISK.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="hub-test-", dir=MEMORY_DISK) as folder:
        yield Path(folder)


@pytest.fixture(params=["sqlite", "memory"])
def store_url(request: pytest.FixtureRequest, quick_path: Path) -> str:
    """The URL of an empty store, of every kind that there is."""
    return {"sqlite": f"sqlite:///{quick_path}/hub.db", "memory": "sqlite://"}[request.param]


@pytest.fixture
def tell(store_url: str) -> Callable[..., Any]:
    """`tell(story, *workflows, **bench_settings)`: play an async story on a bench with these workflows."""

    def telling(story: Callable[[Bench], Any], *workflows: Any, **settings: Any) -> Any:
        return play(story, lambda: Bench(store_url, workflows, **settings))

    return telling
