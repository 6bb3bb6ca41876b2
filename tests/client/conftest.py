from __future__ import annotations

from pathlib import Path

import pytest
from client_parts import make_project


@pytest.fixture
def project(quick_path: Path) -> Path:
    return make_project(quick_path)
