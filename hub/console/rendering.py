"""Templates: every value is text, and a name that is not there is an error."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hub.console.showing.moments import ago, clock_time, exactly, lasting
from hub.console.showing.pointing import pointed
from hub.console.showing.states import chip
from hub.console.showing.texts import shortened, visible
from hub.console.showing.tree import tree
from hub.model.clock import iso
from hub.model.counted import counted

_HERE = Path(__file__).parent
STATIC = _HERE / "static"


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates of the console."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    made.filters.update(
        ago=ago,
        clock_time=clock_time,
        counted=counted,
        exactly=exactly,
        iso=iso,
        lasting=lasting,
        short=shortened,
        segment=_segment,
    )
    made.globals.update(chip=chip, pointed=pointed, tree=tree, address=address, static=static, as_json=_as_json)
    return made


def address(path: str, /, **query: Any) -> str:
    """A link: the path, and what of the query is given."""
    given = {key: value for key, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


@lru_cache(maxsize=16)
def static(name: str) -> str:
    """The address of a file, which changes when the file does."""
    return f"/console/static/{name}?v={hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"


def _finalize(value: Any) -> Any:
    """Whatever is put out: nothing for None, and nothing invisible in texts that came from outside."""
    if value is None:
        return ""
    return visible(value) if type(value) is str else value


def _segment(value: str) -> str:
    """A value as one segment of a path."""
    return quote(value, safe="")


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
