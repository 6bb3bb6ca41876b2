"""Writes the table of routes in docs/api.md, from the operations that the hub declares: `python docs/make_api.py`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

from hub.api.app import describe
from hub.api.live import Live
from hub.api.metrics import metrics_operations
from hub.api.oauth import Tokens
from hub.api.operations import PUBLIC, Operation
from hub.api.streams import stream_operations

PAGE = Path(__file__).with_name("api.md")
_MARKED = re.compile(r"(<!-- routes: written by docs/make_api\.py -->\n).*?(<!-- end of routes -->)", re.DOTALL)


def operations() -> tuple[Operation, ...]:
    """Everything that is declared; nothing of it is called here."""
    nothing = cast("Any", None)
    tokens = Tokens(nothing)
    further = (*stream_operations(Live()), *metrics_operations(nothing), tokens.operation())
    return describe(nothing, further=further)


def table() -> str:
    rows = ["| | route | takes | what it does |", "| --- | --- | --- | --- |"]
    for one in sorted(operations(), key=lambda one: (one.path, one.method)):
        query = "&".join(parameter.name for parameter in one.query)
        takes = "nothing" if one.action == PUBLIC else f"`{one.action}`"
        route = f"{one.path}?{query}" if query else one.path
        rows.append(f"| {one.method} | `{route}` | {takes} | {one.summary} |")
    return "\n".join(rows) + "\n"


def written(text: str) -> str:
    """The page with the table as it should be."""
    return _MARKED.sub(lambda found: found[1] + "\n" + table() + "\n" + found[2], text)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
