"""What a plain scalar means: the core schema of YAML 1.2, so that `on`, `no` and `12:30` stay what they look like.

One rule is stricter than https://yaml.org/spec/1.2.2/#1032-tag-resolution: a number with leading zeros (`012`, a postcode)
is text, because nobody who writes it means twelve.
"""

from __future__ import annotations

import math
import re

Scalar = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

#: Python itself refuses to read integers over 4,300 digits; no number that means something comes near this.
MOST_DIGITS = 300

_CORE = "tag:yaml.org,2002:"
_TYPES: dict[str, type] = {"null": type(None), "bool": bool, "int": int, "float": float}


def plain(text: str) -> Scalar:
    """The value of a plain scalar. Raises ValueError, with a sentence, for a number that JSON cannot hold."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _NOT_FINITE.fullmatch(text):
        raise ValueError("infinity and not-a-number are not values here; put it in quotes if it is text")
    if _INTEGER.fullmatch(text):
        return int(_bounded(text))
    if _OCTAL.fullmatch(text):
        return int(_bounded(text[2:]), 8)
    if _HEXADECIMAL.fullmatch(text):
        return int(_bounded(text[2:]), 16)
    if _FLOAT.fullmatch(text):
        number = float(_bounded(text))
        if math.isinf(number):
            raise ValueError("this number is too large; put it in quotes if it is text")
        return number
    return text


def tagged(tag: str, text: str) -> Scalar:
    """The value of a scalar with a written tag. Raises ValueError for a tag outside the core schema or one that does not fit."""
    kind = tag.removeprefix(_CORE) if tag.startswith(_CORE) else ""
    if tag == "!" or kind == "str":
        return text
    if kind not in _TYPES:
        raise ValueError("tags are not allowed; only plain values can be written here")
    value = plain(text)
    if kind == "float" and type(value) is int:
        return float(value)
    if type(value) is not _TYPES[kind]:
        raise ValueError(f"the tag !!{kind} does not fit this value; leave it out")
    return value


def is_core_collection(tag: str, kind: str) -> bool:
    """Whether `tag` says no more than what a mapping ("map") or list ("seq") is anyway."""
    return tag in ("!", _CORE + kind)


def _bounded(digits: str) -> str:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"this number has more than {MOST_DIGITS} digits; put it in quotes if it is text")
    return digits
