"""A parser's events as one plain value, without recursion, noting on the way all that is not allowed.

Nothing that a file holds is expanded or called, and nothing is nested deeper than `MOST_DEPTH`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import yaml

from hub.declare import scalars, syntax
from hub.declare.document import Where, lines_of, shown
from hub.model.executor import Position, Problem

MOST_DEPTH = 50
#: After so many problems a file is not read on: nobody wrote that by hand.
MOST_PROBLEMS = 100

_NOT_BREAK = re.compile(r"[^\r\n]")
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")


class Parser(Protocol):
    """PyYAML's parsers, as far as they are used here."""

    def get_event(self) -> Any: ...


class _Stop(Exception):
    """There is no sense in reading on; the problem has been noted."""


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not been seen."""

    value: dict[str, Any] | list[Any]
    where: Where
    begun: Position
    #: Written with brackets.
    flow: bool
    #: It is a key, or below something that was dropped: problems count, values and places do not.
    dropped: bool
    is_key: bool = False
    #: In a mapping: a key has been read and its value has not.
    pending: bool = False
    #: The key that waits for its value; None when it was refused.
    key: str | None = None
    key_position: Position | None = None
    #: Where each key first stood.
    seen: dict[str, Position] = field(default_factory=dict)

    @property
    def expects_key(self) -> bool:
        return isinstance(self.value, dict) and not self.pending


class Fold:
    """Events go in, value and places come out."""

    def __init__(self, file: str, *, as_text: bool) -> None:
        self.file = file
        self.as_text = as_text
        self.root: Any = None
        self.empty = True
        self.positions: dict[Where, Position] = {}
        self.keys: dict[Where, Position] = {}
        self.problems: list[Problem] = []
        self.holes: set[Where] = set()
        self.incomplete: set[Where] = set()
        self._open: list[_Open] = []
        #: From where to where quoted and block texts reach: there, tabs are text.
        self._texts: list[tuple[int, int]] = []

    def run(self, parser: Callable[[str], Parser], text: str) -> bool:
        """Whether the text was read to its end."""
        try:
            source = parser(text)
            while (event := source.get_event()) is not None:
                self._take(event)
            self._tabs(text)
        except _Stop:
            return False
        except yaml.MarkedYAMLError as error:
            flow = next(((one.begun.line, one.begun.column) for one in reversed(self._open) if one.flow), None)
            found = syntax.explain(error, text, flow)
            self.problems.append(Problem(Position(self.file, found.line, found.column), found.message))
            return False
        except yaml.YAMLError:
            self.problems.append(Problem(Position(self.file), "this is not YAML"))
            return False
        return True

    def refuse(self, position: Position, message: str) -> None:
        self.problems.append(Problem(position, message))
        if len(self.problems) >= MOST_PROBLEMS:
            self.problems.append(Problem(position, "there are more problems below; the file is not read any further"))
            raise _Stop

    def _tabs(self, text: str) -> None:
        """Refuse tabs outside texts and comments: the two parsers take them differently, and so do other tools."""
        if "\t" not in text:
            return
        begun, outside = 0, []
        for start, end in self._texts:
            outside.append(text[begun:start] + _NOT_BREAK.sub(" ", text[start:end]))
            begun = end
        for number, line in enumerate(lines_of("".join([*outside, text[begun:]])), 1):
            code = _COMMENT.sub("", line)
            if "\t" in code:
                self.refuse(Position(self.file, number, code.index("\t") + 1), syntax.INDENT_WITH_SPACES)

    def _take(self, event: yaml.Event) -> None:
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._begin(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._end()
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.DocumentStartEvent():
                self._document(event)
            case _:
                pass

    def _at(self, event: yaml.Event) -> Position:
        mark: Any = event.start_mark
        return Position(self.file, mark.line + 1, mark.column + 1)

    def _document(self, event: yaml.DocumentStartEvent) -> None:
        position = self._at(event)
        if not self.empty:
            self.problems.append(Problem(position, "a second document begins here; a file holds one"))
            raise _Stop
        self.empty = False
        if event.version or event.tags:
            self.refuse(position, "directives (lines that begin with %) are not allowed")

    def _anchor(self, event: yaml.NodeEvent, position: Position) -> None:
        if event.anchor is not None:
            self.refuse(position, "anchors (&) are not allowed; write the value out where it is needed")

    def _alias(self, event: yaml.AliasEvent) -> None:
        position = self._at(event)
        self.refuse(
            position, "aliases (*) are not allowed; write the value out, or put text that begins with * in quotes"
        )
        if self._open and self._open[-1].expects_key:
            self._key(None, position)
        else:
            self._put(None, position, hole=True)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        position = self._at(event)
        self._anchor(event, position)
        is_plain = not event.style
        if not is_plain:
            marks: tuple[Any, Any] = (event.start_mark, event.end_mark)
            self._texts.append((marks[0].index, marks[1].index))
        if self._open and self._open[-1].expects_key:
            self._scalar_key(event, position, is_plain=is_plain)
            return
        try:
            value = self._meaning(event, is_plain=is_plain)
        except ValueError as error:
            self.refuse(position, str(error))
            self._put(None, position, hole=True)
            return
        written = position if event.value or not is_plain else None
        self._put(value, written or self._nothing_at(position))

    def _nothing_at(self, position: Position) -> Position:
        """Where a value that is not written stands: at its key."""
        return (self._open[-1].key_position if self._open else None) or position

    def _meaning(self, event: yaml.ScalarEvent, *, is_plain: bool) -> scalars.Scalar:
        value: scalars.Scalar
        if event.tag is not None and (event.tag != "!" or is_plain):
            value = scalars.tagged(event.tag, event.value)
        elif is_plain and not self.as_text:
            value = scalars.plain(event.value)
        else:
            value = event.value
        if isinstance(value, str):
            _check_text(value)
        return value

    def _scalar_key(self, event: yaml.ScalarEvent, position: Position, *, is_plain: bool) -> None:
        if is_plain and event.value == "<<":
            self.refuse(position, "merge keys (<<) are not allowed; write the entries out")
            self._key(None, position)
            return
        try:
            key = self._meaning(event, is_plain=is_plain)
        except ValueError as error:
            self.refuse(position, str(error))
            key = None
        else:
            if not isinstance(key, str):
                self.refuse(position, f"keys are text; write {shown(event.value)} with its quotes")
                key = None
        self._key(key, position)

    def _key(self, key: str | None, position: Position) -> None:
        frame = self._open[-1]
        if key is None:
            self.incomplete.add(frame.where)
        elif key in frame.seen:
            self.refuse(position, f"the key {shown(key)} is here twice; it first stands in line {frame.seen[key].line}")
            key = None
        else:
            frame.seen[key] = position
            if not frame.dropped:
                self.keys[(*frame.where, key)] = position
        frame.pending, frame.key, frame.key_position = True, key, position

    def _next(self) -> tuple[Where, bool]:
        """The path of the value that comes next, and whether it is dropped."""
        if not self._open:
            return (), False
        frame = self._open[-1]
        if isinstance(frame.value, list):
            return (*frame.where, len(frame.value)), frame.dropped
        if frame.key is None:
            return frame.where, True
        return (*frame.where, frame.key), frame.dropped

    def _put(self, value: Any, position: Position, *, hole: bool = False) -> None:
        where, dropped = self._next()
        if not dropped:
            self.positions[where] = position
            if hole:
                self.holes.add(where)
        if not self._open:
            self.root = value
            return
        frame = self._open[-1]
        if isinstance(frame.value, list):
            frame.value.append(value)
            return
        if frame.key is not None:
            frame.value[frame.key] = value
        frame.pending, frame.key = False, None

    def _begin(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        position = self._at(event)
        self._anchor(event, position)
        if len(self._open) >= MOST_DEPTH:
            self.problems.append(Problem(position, f"this is nested deeper than {MOST_DEPTH} levels"))
            raise _Stop
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        value: dict[str, Any] | list[Any] = {} if is_mapping else []
        flow = bool(event.flow_style)
        if self._open and self._open[-1].expects_key:
            self.refuse(position, "keys are text; a mapping or a list cannot be one")
            self._open.append(_Open(value, self._open[-1].where, position, flow, dropped=True, is_key=True))
            return
        hole = event.tag is not None and not scalars.is_core_collection(event.tag, "map" if is_mapping else "seq")
        if hole:
            self.refuse(position, "tags are not allowed; only plain values can be written here")
        where, dropped = self._next()
        self._put(value, position, hole=hole)
        self._open.append(_Open(value, where, position, flow, dropped=dropped))

    def _end(self) -> None:
        closed = self._open.pop()
        if closed.is_key:
            self._key(None, closed.begun)


def _check_text(text: str) -> None:
    """Raise ValueError for what a database or JSON cannot hold; only escapes can bring it here."""
    if "\0" in text:
        raise ValueError("this text holds a NUL character, which is not allowed")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("this text holds half a character (a lone surrogate), which is not allowed") from None
