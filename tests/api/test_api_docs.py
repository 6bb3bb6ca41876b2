"""docs/api.md names every route, with what it takes; the dashboard beside it shows metrics that there are."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"


def made() -> Any:
    spec = importlib.util.spec_from_file_location("make_api", DOCS / "make_api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_routes_is_what_is_declared() -> None:
    text = (DOCS / "api.md").read_text()
    assert text == made().written(text), "write it anew: python docs/make_api.py"
    assert text.count("| GET |") > 20


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    dashboard = json.loads((DOCS / "grafana.json").read_text())
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"hub_[a-z_]+", target["expr"])
    }
    source = (DOCS.parent / "hub/api/metrics.py").read_text()
    known = set(re.findall(r'"(hub_[a-z_]+)"', source))
    assert asked
    for name in asked:
        assert re.sub(r"_(total|bucket|count|sum)$", "", name) in known, name
