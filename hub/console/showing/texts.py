"""Stored texts as something safe to read: what is invisible, or would turn letters round, is shown as what it is."""

from __future__ import annotations

import re

_CONTROL = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_PICTURES = 0x2400
_DELETE = 0x7F


def visible(text: str) -> str:
    """Control characters as their pictures (`␛`), others as their numbers; line ends and tabs stay."""
    return _CONTROL.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < ord(" "):
        return chr(_PICTURES + code)
    return "␡" if code == _DELETE else f"\\u{code:04x}"


def shortened(text: str, length: int) -> str:
    """At most so many characters, an ellipsis for the rest."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
