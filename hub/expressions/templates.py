"""`${{ expression }}` inside the strings of a mapping: found here, before any value is known, and filled in once.

A string that is one expression and nothing else keeps the type of its value; undefined then leaves the key out, or is
null in a list, as in JSON. Inside other text a string stands as it is and everything else as JSON. What was filled in
is never looked at again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hub.model.errors import ExpressionError

OPENING = "${{"
CLOSING = "}}"

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """One expression of a string."""

    source: str
    #: "v" for one that is the whole string, "t" for one inside a text.
    kind: str
    #: Where the expression begins in its string, counted from 1.
    line: int
    column: int


#: Stands for a value that is undefined.
UNDEFINED = object()


class AddressTemplate(str):
    """A text that becomes an address. A value inside it is a piece of one part, and never leads to another place.

    Only what stands at its very beginning may be more: the address of a server, or all of it.
    """

    __slots__ = ()


def pieces(value: Any, path: Path = ()) -> Iterator[tuple[Path, Piece]]:
    """Every expression in a value, in the order in which `fill` wants the values. Raises Unclosed."""
    if isinstance(value, str):
        if OPENING in value:
            for part in split(value):
                if isinstance(part, Piece):
                    yield path, part
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from pieces(item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from pieces(item, (*path, index))


def fill(value: Any, values: Iterator[Any]) -> Any:
    """The value with its expressions replaced. Those inside a text come as strings. Raises Detour."""
    if isinstance(value, str):
        if OPENING not in value:
            return str(value)  # no AddressTemplate: what becomes of one is a text
        parts = split(value)
        if isinstance(parts[0], Piece) and parts[0].kind == "v":
            return next(values)
        texts: list[str] = [next(values) if isinstance(part, Piece) else part for part in parts]
        if isinstance(value, AddressTemplate):
            _refuse_detours(parts, texts)
        return "".join(texts)
    if isinstance(value, Mapping):
        filled = ((key, fill(item, values)) for key, item in value.items())
        return {key: item for key, item in filled if item is not UNDEFINED}
    if isinstance(value, list | tuple):
        return [None if item is UNDEFINED else item for item in [fill(item, values) for item in value]]
    return value


#: Of the characters of RFC 3986 those that separate nothing: not / ? # & \ @ and brackets, while %2F stands for itself.
_INSIDE = re.compile(r"(?:[A-Za-z0-9._~!$'()*+,;=:-]|%[0-9A-Fa-f]{2})*")
_DOTS = re.compile(r"(?:\.|%2[Ee]){1,2}")


def _refuse_detours(parts: Sequence[str | Piece], texts: Sequence[str]) -> None:
    """Expressions stand at the odd places, between literal texts; the first one may have nothing before it."""
    for number in range(1 if parts[0] else 3, len(parts), 2):
        piece = parts[number]
        assert isinstance(piece, Piece)
        source = piece.source.strip()
        if _DOTS.fullmatch(texts[number]):
            raise Detour(f"the value of {source} would lead to another address than the one that is written")
        if not _INSIDE.fullmatch(texts[number]):
            advice = f"write encodeURIComponent({source}), or one expression for the whole address"
            raise Detour(f"the value of {source} does not fit inside an address: {advice}")


class Detour(ExpressionError):
    """A value that would change where an address leads."""


class Unclosed(ExpressionError):
    """A `${{` whose `}}` does not come."""


@lru_cache(maxsize=4096)
def split(text: str) -> tuple[str | Piece, ...]:
    """Literal text and expressions in turn. Raises Unclosed."""
    found: list[tuple[int, int]] = []
    at = text.find(OPENING)
    while at >= 0:
        start = at + len(OPENING)
        end = _end(text, start)
        if end is None:
            line, column = place(text, at)
            raise Unclosed('this "${{" has no "}}" that closes it', line=line, column=column)
        found.append((start, end))
        at = text.find(OPENING, end + len(CLOSING))
    # A block scalar in YAML ends with a line feed of its own.
    if len(found) == 1 and found[0][0] == len(OPENING) and text[found[0][1] :] in (CLOSING, CLOSING + "\n"):
        return (_piece(text, *found[0], "v"),)
    parts: list[str | Piece] = []
    done = 0
    for start, end in found:
        parts += [text[done : start - len(OPENING)], _piece(text, start, end, "t")]
        done = end + len(CLOSING)
    return (*parts, text[done:])


def place(text: str, at: int) -> tuple[int, int]:
    """Line and column of an offset, counted from 1."""
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def _piece(text: str, start: int, end: int, kind: str) -> Piece:
    return Piece(text[start:end], kind, *place(text, start))


_CLOSERS = {"(": ")", "[": "]", "{": "}"}
#: After one of these a `/` divides; after anything else that is no word it begins a regular expression.
_OPERAND_ENDS = frozenset(")]}\"'`")
_WORDS_BEFORE_A_VALUE = frozenset(("case", "delete", "in", "instanceof", "of", "return", "throw", "typeof", "void"))


def _end(text: str, at: int) -> int | None:
    """Where the `}}` stands that ends the expression beginning at `at`: outside strings, comments and brackets."""
    expected: list[str] = []
    previous = ""
    while at < len(text):
        if not expected and text.startswith(CLOSING, at):
            return at
        at, token = _token(text, at, expected, previous)
        previous = token or previous
    return None


def _token(text: str, at: int, expected: list[str], previous: str) -> tuple[int, str]:
    """Where the token at `at` ends, and how it looks from behind ("" for space and comments); keeps the open brackets."""
    char = text[at]
    if char in "\"'":
        return _string_end(text, at + 1, char), char
    if char == "`" or (char == "}" and expected[-1:] == ["`"]):
        return _template(text, at, expected)
    if char == "/":
        return _slash(text, at, previous)
    if _is_word(char):
        end = at + 1
        while end < len(text) and _is_word(text[end]):
            end += 1
        return end, text[at:end]
    if char in _CLOSERS:
        expected.append(_CLOSERS[char])
    elif expected[-1:] == [char]:
        expected.pop()
    return at + 1, char.strip()


def _is_word(char: str) -> bool:
    return char.isalnum() or char in "_$"


def _slash(text: str, at: int, previous: str) -> tuple[int, str]:
    if text[at + 1 : at + 2] in ("/", "*"):
        return _comment_end(text, at), ""
    word = bool(previous) and _is_word(previous[0]) and previous not in _WORDS_BEFORE_A_VALUE
    if word or previous in _OPERAND_ENDS:
        return at + 1, "/"
    return _regex_end(text, at + 1), ")"


def _template(text: str, at: int, expected: list[str]) -> tuple[int, str]:
    """From a backtick, or from the `}` that ends an expression in a template, to the next of both."""
    if text[at] == "}":
        expected.pop()
    at += 1
    while at < len(text):
        if text[at] == "`":
            return at + 1, "`"
        if text.startswith("${", at):
            expected.append("`")
            return at + 2, "("
        at += 2 if text[at] == "\\" else 1
    return at, "`"


def _string_end(text: str, at: int, quote: str) -> int:
    while at < len(text) and text[at] != quote:
        at += 2 if text[at] == "\\" else 1
    return at + 1


def _comment_end(text: str, at: int) -> int:
    line = text[at + 1] == "/"
    end = text.find("\n" if line else "*/", at + 2)
    return len(text) if end < 0 else end + (1 if line else 2)


def _regex_end(text: str, at: int) -> int:
    in_class = False
    while at < len(text) and (in_class or text[at] != "/") and text[at] != "\n":
        if text[at] == "[":
            in_class = True
        elif text[at] == "]":
            in_class = False
        at += 2 if text[at] == "\\" else 1
    return at + 1
