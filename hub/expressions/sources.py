"""The expressions of a request, in the order in which they are evaluated, each with its name for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.expressions.templates import OPENING, Path, pieces

_MOST_LENGTH = 64 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """One expression."""

    #: `condition`, `variables` or the path in it: `variables.items[0].id`.
    name: str
    #: "c", "v" or "t", see wire.py.
    kind: str
    text: str
    #: Where the text begins in the string that a person wrote.
    line: int = 1
    column: int = 1

    def place(self, line: int, column: int) -> tuple[int | None, int | None]:
        """A place in the text as a place in the string around it; (None, None) for line 0, which is no place."""
        return placed(self.text, self.line, self.column, line, column)


def sources(condition: str | None, variables: str | Mapping[str, Any] | None) -> tuple[Source, ...]:
    """Raises Unclosed."""
    found: list[Source] = []
    if condition is not None:
        found.append(Source("condition", "c", condition))
    if isinstance(variables, str):
        found.append(Source("variables", "v", variables))
    elif variables:
        found += [
            Source(_name(path), piece.kind, piece.source, piece.line, piece.column) for path, piece in pieces(variables)
        ]
    return tuple(found)


def placed(text: str, at_line: int, at_column: int, line: int, column: int) -> tuple[int | None, int | None]:
    """`line` and `column` of `text`, when the text itself begins at `at_line` and `at_column` of a larger one.

    A fault behind the end (a bracket that is not closed) is moved to the end.
    """
    if line <= 0:
        return None, None
    lines = text.split("\n")
    if line > len(lines):
        line, column = len(lines), len(lines[-1]) + 1
    return at_line + line - 1, column + (at_column - 1 if line == 1 else 0)


def unusable(text: str) -> str | None:
    """Why a text is not even shown to the engine, or None."""
    if len(text) > _MOST_LENGTH:
        return f"the expression is longer than {_MOST_LENGTH} characters"
    if "\0" in text or not _is_unicode(text):
        return "the expression holds a character that no text may hold"
    return None


def advice(text: str) -> str:
    """A sentence for the end of a syntax error, where the mistake is a common one; else nothing."""
    if text.lstrip().startswith(OPENING):
        return '. Write the expression itself here, without "${{" and "}}"'
    if text.rstrip().endswith(";"):
        return '. Write one expression, without ";" at its end'
    if not text.strip():
        return ". The expression is empty"
    return ""


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _name(path: Path) -> str:
    return "variables" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
