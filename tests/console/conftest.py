from __future__ import annotations

from pathlib import Path

import pytest
from console_site import make_project as make_site


@pytest.fixture
def site_root(quick_path: Path) -> Path:
    return make_site(quick_path)
