"""From a YAML file to a plain value, with the place of every part of it.

What every file must be comes first: of bounded size, UTF-8, without characters that YAML does not know.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import yaml

from hub.declare.document import Document, lines_of
from hub.declare.folding import Fold, Parser
from hub.model.executor import Position, Problem

MOST_BYTES = 1_048_576

# What YAML cannot hold (https://yaml.org/spec/1.2.2/#51-character-set), and three line breaks of YAML 1.1 that 1.2 and editors
# take for ordinary characters, so that positions and text would differ.
_FORBIDDEN = re.compile("[^\\t\\n\\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
# Possessive, so that a long run of empty lines is walked once.
_DIRECTIVE = re.compile(r"(?>[ \t]*(?:#[^\r\n]*)?(?:\r\n|\r|\n))*+%")

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
    if (found := _DIRECTIVE.match(text)) is not None:
        place = _place(text[: found.end() - 1])
        return _unreadable(file, "directives (lines that begin with %) are not allowed", *place)
    fold = Fold(file, as_text=as_text)
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
    lines = lines_of(before)
    return len(lines), len(lines[-1]) + 1
