"""From a line and column inside a text to its place in the YAML file that the text stands in."""

from __future__ import annotations

from dataclasses import replace

from hub.declare.document import lines_of
from hub.model.executor import Position

#: How many characters of the file an escape in double quotes takes, by its second one; all others take two.
_LONG_ESCAPES = {"x": 4, "u": 6, "U": 10}


def place_inside(source: str, start: Position, text: str, line: int, column: int) -> Position:
    """Where `line` and `column` (from 1) of `text` stand in `source`, where the scalar begins at `start`.

    Exact for a scalar on one line and for a block after `|`; for anything else, and when text and source do not agree (a
    reference was filled in), it is `start` itself.
    """
    lines = lines_of(source)
    if start.line > len(lines):
        return start
    written = lines[start.line - 1][start.column - 1 :]
    match written[:1]:
        case "|":
            return _in_block(lines, start, text, line, column)
        case "'" | '"':
            return _in_quotes(written, start, text, line, column)
        case _:
            exact = line == 1 and written.startswith(text) and "\n" not in text
            return replace(start, column=start.column + column - 1) if exact else start


def stands_at(source: str, start: Position, text: str) -> bool:
    """Whether the scalar at `start` begins with `text` as it is, in quotes or not."""
    lines = lines_of(source)
    return start.line <= len(lines) and lines[start.line - 1][start.column - 1 :].lstrip("'\"").startswith(text)


def _in_block(lines: list[str], start: Position, text: str, line: int, column: int) -> Position:
    content = text.split("\n")
    number = start.line + line  # the text begins on the line after the indicator
    if not 1 <= line <= len(content) or number > len(lines):
        return start
    row = lines[number - 1]
    if content[line - 1] and not row.endswith(content[line - 1]):
        return start
    indent = len(row) - len(content[line - 1])
    return Position(start.file, number, indent + column)


def _in_quotes(written: str, start: Position, text: str, line: int, column: int) -> Position:
    quote = written[0]
    if line != 1:
        return start
    at = 1
    for character in text[: column - 1]:
        if at >= len(written):
            return start  # the text goes on in the next line
        if quote == "'":
            width = 2 if written.startswith("''", at) else 1
        else:
            width = _LONG_ESCAPES.get(written[at + 1 : at + 2], 2) if written[at] == "\\" else 1
        if width == 1 and written[at] != character:
            return start
        at += width
    return replace(start, column=start.column + at)
