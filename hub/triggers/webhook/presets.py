"""Presets: what each sender signs, as data in presets.toml."""

from __future__ import annotations

import copy
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def _table() -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = tomllib.loads(files(__package__).joinpath("presets.toml").read_text("utf-8"))
    for entry in table.values():
        # A preset may stand on another one that comes before it.
        base = entry.pop("extends", None)
        if base is not None:
            for key, value in table[base].items():
                entry.setdefault(key, value)
    return table


@cache
def credential_headers() -> frozenset[bytes]:
    """The headers, in lower case, that some sender's credential stands in; Authorization is everybody's, and names none."""
    named = (family.get("header") for entry in _table().values() for family in (entry, *entry.get("families", ())))
    return frozenset(name.lower().encode() for name in named if name is not None) - {b"authorization"}


def preset_names() -> frozenset[str]:
    """Every name that `preset:` may hold."""
    return frozenset(_table())


def preset(name: str) -> dict[str, Any]:
    """One preset as a fresh mapping. Raises KeyError."""
    return copy.deepcopy(_table()[name])
