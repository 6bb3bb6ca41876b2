from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_kit import SECRET, Hub, make_project


@pytest.fixture(autouse=True)
def _own_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commands in this process put their project's folder on the import path: not for longer than one test."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("HUB_PROJECT", raising=False)
    yield
    for name in [name for name in sys.modules if name == "workflows" or name.startswith("workflows.")]:
        del sys.modules[name]


@pytest.fixture
def hub(quick_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """`hub` in this process, on the small project."""
    root = make_project(quick_path / "project")
    monkeypatch.setenv("PUSH_SECRET", SECRET)
    monkeypatch.chdir(root)
    return Hub(root)
