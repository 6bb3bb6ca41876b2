from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_process import Project, Zygote
from kit import unbalanced


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    made = Zygote()
    yield made
    made.close()


@pytest.fixture
def project(quick_path: Path, zygote: Zygote) -> Iterator[Project]:
    """An empty project. Whatever a test does to the hub that serves it, the books balance in the end."""
    yield Project(quick_path, zygote)
    store = quick_path / "var" / "hub.db"
    if store.exists():
        assert unbalanced(f"sqlite:///{store}") == []
