from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_process import Project, Zygote


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    made = Zygote()
    yield made
    made.close()


@pytest.fixture
def project(quick_path: Path, zygote: Zygote) -> Project:
    """An empty project."""
    return Project(quick_path, zygote)
