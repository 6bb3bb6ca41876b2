"""A file that was read: its value, and the place of every part of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.model.executor import Position, Problem

#: Keys and indices from the top of a file to one of its values.
Where = tuple[str | int, ...]

_MOST_SHOWN = 60
_LINE_BREAK = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Document:
    """One file, read."""

    #: Relative to the project, as a person would type it.
    file: str
    text: str = ""
    #: None when nothing could be read; otherwise JSON values.
    value: Any = None
    #: Where each value stands.
    positions: Mapping[Where, Position] = field(default_factory=dict)
    #: Where the key of each value in a mapping stands.
    keys: Mapping[Where, Position] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    #: Values that were refused: what stands there instead is not worth a second complaint.
    holes: frozenset[Where] = frozenset()
    #: Mappings that lost an entry: that something is missing there may be our doing.
    incomplete: frozenset[Where] = frozenset()
    #: False when reading stopped half-way; then `value` is None.
    complete: bool = True

    def at(self, where: Where) -> Position:
        """Where the value stands, or what encloses it."""
        for length in range(len(where), -1, -1):
            if (found := self.positions.get(where[:length])) is not None:
                return found
        return Position(self.file)

    def key_at(self, where: Where) -> Position:
        """Where the value's key stands; for an item of a list, the value itself."""
        return self.keys.get(where) or self.at(where)

    def said(self, where: Where) -> str:
        """The text at `where` as the file says it, for a message: what was filled in is not repeated."""
        value = self.value
        for part in where:
            value = value[part]
        return shown(str(value))


def shown(text: str) -> str:
    """A text from a file in quotes, on one line and of bounded length, for a message."""
    cut = text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…"
    return json.dumps(cut, ensure_ascii=not cut.isprintable())


def lines_of(text: str) -> list[str]:
    """The lines of a text as editors and YAML count them."""
    return _LINE_BREAK.split(text)
