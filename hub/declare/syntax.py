"""What the YAML parsers say when they give up, in words for the person who wrote the file.

Their own sentences differ from each other and may echo what stands in the file, which may be a secret. So they are looked
up by their stable fragments and never passed on.
"""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from hub.declare.document import lines_of

INDENT_WITH_SPACES = "a tab stands here; YAML indents with spaces"
REFERENCE_IN_BRACKETS = 'inside { } and [ ] a brace is no text; put what holds ${…} in quotes: "${…}"'

#: Fragment of a parser's sentence -> ours. The first that fits counts.
_SENTENCES: tuple[tuple[str, str], ...] = (
    ("tab character", INDENT_WITH_SPACES),
    (
        "mapping values are not allowed",
        'a ":" is not allowed here; check the indentation, or put text that holds ": " in quotes',
    ),
    ("sequence entries are not allowed", 'a "- " is not allowed here; check the indentation'),
    ("mapping keys are not allowed", 'a "? " is not allowed here; check the indentation, or put the text in quotes'),
    ("unexpected ':'", 'a ":" is not allowed in this text; put it in quotes'),
    ("could not find expected ':'", 'this looks like a key, but no ":" follows it'),
    ("cannot start any token", "a value cannot begin with this character; put the text in quotes"),
    ("unexpected end of stream", "the quotes that open here are not closed"),
    ("document separator", "the quotes around this text are not closed before the document ends"),
    ("document indicator", "the quotes around this text are not closed before the document ends"),
    ("unknown escape", r"double quotes do not know this escape; write \\ for a backslash, or use single quotes"),
    ("hexdecimal", "this escape needs hexadecimal digits"),
    ("hexadecimal", "this escape needs hexadecimal digits"),
    ("invalid Unicode character", "this escape is not a Unicode character"),
    ("',' or ']'", 'a "," or "]" is missing here'),
    ("',' or '}'", 'a "," or "}" is missing here'),
    ("'-' indicator", "this does not fit into what stands above it; check the indentation"),
    ("expected key", "this does not fit into what stands above it; check the indentation"),
    ("expected <block end>", "this does not fit into what stands above it; check the indentation"),
    ("node content", "a value is missing here"),
    ("document start", "something follows after the end of the value; check the indentation"),
    ("single document", "something follows after the end of the value; check the indentation"),
    ("tag", "tags are not allowed; only plain values can be written here"),
    ("indentation indicator", "after | or > the text begins on the next line"),
    ("a line break", "after | or > the text begins on the next line"),
    ("comment or line break", "after | or > the text begins on the next line"),
    ("anchor", "anchors and aliases are not allowed; write the value out"),
    ("alias", "anchors and aliases are not allowed; write the value out"),
    ("alphabetic or numeric", "anchors and aliases are not allowed; write the value out"),
    ("directive", "directives (lines that begin with %) are not allowed"),
    ("YAML", "directives (lines that begin with %) are not allowed"),
)


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """Line and column count from 1."""

    line: int
    column: int
    message: str


def explain(error: yaml.MarkedYAMLError, text: str, unclosed: tuple[int, int] | None) -> SyntaxProblem:
    """Say what a parser stumbled over in `text`.

    `unclosed` is the place (from 1) of the innermost "[" or "{" that was open; when the text ends inside it, that is the mistake.
    """
    said = str(error.problem or "")
    here = _from_1(error.problem_mark)
    begun = _from_1(error.context_mark)
    lines = lines_of(text)
    if "could not find expected" in said or "end of stream" in said:
        # The parser notices at the end of the text or of the line; the mistake is where the key or the quotes begin.
        here = begun or here
    elif (ended := _end(lines)) <= (here or ended):
        if unclosed is not None:
            return SyntaxProblem(*unclosed, "the bracket that opens here is not closed")
        here = ended
    line, column = here or begun or (1, 1)
    if "unknown escape" in said and column > 1 and _character(lines, line, column - 1) == "\\":
        column -= 1  # one of the two parsers points behind the backslash
    if _character(lines, line, column) == "\t":
        return SyntaxProblem(line, column, INDENT_WITH_SPACES)
    if column > 1 and lines[line - 1][column - 2 : column] == "${":
        return SyntaxProblem(line, column - 1, REFERENCE_IN_BRACKETS)
    said = f"{said} {error.context or ''}"
    for fragment, sentence in _SENTENCES:
        if fragment in said:
            return SyntaxProblem(line, column, sentence)
    return SyntaxProblem(line, column, "this is not YAML; check indentation and quotes around here")


def _from_1(mark: yaml.Mark | None) -> tuple[int, int] | None:
    return None if mark is None else (mark.line + 1, mark.column + 1)


def _end(lines: list[str]) -> tuple[int, int]:
    """Where the text ends, not counting empty lines."""
    last = len(lines)
    while last > 1 and not lines[last - 1].strip():
        last -= 1
    return last, len(lines[last - 1]) + 1


def _character(lines: list[str], line: int, column: int) -> str:
    inside = line <= len(lines) and column <= len(lines[line - 1])
    return lines[line - 1][column - 1] if inside else ""
