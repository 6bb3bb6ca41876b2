"""From a YAML file to a plain value, with the place of every part of it.

The parser's events are folded by hand, without recursion: this gives YAML 1.2 scalars, positions and duplicate keys in one
pass, and nothing that a file holds is ever expanded, called or nested deeper than `MOST_DEPTH`.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import yaml

from hub.declare import scalars, syntax
from hub.model.executor import Position, Problem

#: Keys and indices from the top of a file to one of its values.
Where = tuple[str | int, ...]

MOST_BYTES = 1_048_576
MOST_DEPTH = 50
#: After so many problems a file is not read on: nobody wrote that by hand.
MOST_PROBLEMS = 100
_MOST_SHOWN = 60

# What YAML cannot hold (https://yaml.org/spec/1.2.2/#51-character-set), and three line breaks of YAML 1.1 that 1.2 and editors
# take for ordinary characters, so that positions and text would differ.
_FORBIDDEN = re.compile("[^\\t\\n\\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_NOT_BREAK = re.compile(r"[^\r\n]")
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
_LINE_BREAK = re.compile(r"\r\n|\r|\n")


class Parser(Protocol):
    """PyYAML's parsers, as far as they are used here."""

    def get_event(self) -> Any: ...


#: None where PyYAML was built without libyaml: ten times slower, otherwise the same.
_CParser: Callable[[str], Parser] | None = getattr(getattr(yaml, "cyaml", None), "CParser", None)


class PureParser(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser):
    """PyYAML's parser in Python."""

    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)


def fast_parser(text: str) -> Parser:
    """PyYAML's parser in C, or the one in Python where there is none."""
    return PureParser(text) if _CParser is None else _CParser(text)


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


def shown(text: str) -> str:
    """A text from a file in quotes, on one line and of bounded length, for a message."""
    cut = text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…"
    return json.dumps(cut, ensure_ascii=not cut.isprintable())


def read_file(path: Path, file: str, *, as_text: bool = False) -> Document:
    """Read one file; `file` is its name in messages. Nothing is raised: what is wrong stands in `problems`."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for a writer
            return _unreadable(file, "this is not a file")
        with path.open("rb") as stream:
            if os.fstat(stream.fileno()).st_size > MOST_BYTES:
                return _too_large(file)
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        return _unreadable(file, f"the file cannot be read: {error.strerror or 'input or output failed'}")
    return read(data, file, as_text=as_text)


def read(data: bytes, file: str, *, as_text: bool = False, parser: Callable[[str], Parser] = fast_parser) -> Document:
    """Read the bytes of one file. With `as_text` every scalar is taken as the text that it is."""
    if len(data) > MOST_BYTES:
        return _too_large(file)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", errors="replace")
        return _unreadable(file, "this byte is not UTF-8; save the file as UTF-8", *_place(before))
    if (found := _FORBIDDEN.search(text)) is not None:
        code = f"U+{ord(found[0]):04X}"
        return _unreadable(
            file,
            f"the character {code} is not allowed; write it as an escape in double quotes",
            *_place(text[: found.start()]),
        )
    fold = _Fold(file, as_text=as_text)
    complete = fold.run(parser, text)
    if complete and fold.empty:
        fold.refuse(Position(file), "the file is empty")
        complete = False
    return Document(
        file=file,
        text=text,
        value=fold.root if complete else None,
        positions=fold.positions,
        keys=fold.keys,
        problems=tuple(sorted(fold.problems)),
        holes=frozenset(fold.holes),
        incomplete=frozenset(fold.incomplete),
        complete=complete,
    )


def _unreadable(file: str, message: str, line: int = 1, column: int = 1) -> Document:
    return Document(file, problems=(Problem(Position(file, line, column), message),), complete=False)


def _too_large(file: str) -> Document:
    return _unreadable(file, f"the file is larger than {MOST_BYTES // 1024} KiB; that is more than the hub reads")


def _place(before: str) -> tuple[int, int]:
    """Line and column, from 1, of what follows `before`."""
    lines = _LINE_BREAK.split(before)
    return len(lines), len(lines[-1]) + 1


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


class _Fold:
    """The state between two events: what is open, and what has been found."""

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
        for number, line in enumerate(_LINE_BREAK.split("".join([*outside, text[begun:]])), 1):
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
