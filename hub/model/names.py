"""What may be called what, and the closest valid name when something is called wrongly."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")

#: PostgreSQL keeps no NUL, and nothing keeps half a character.
_LABEL = re.compile(r"[^\0\ud800-\udfff]+")

NAME_RULE = "3 to 63 lower-case letters, digits and hyphens, beginning and ending with a letter or digit"

#: A line's worth of names.
_SHOWN = 12


def is_name(text: object) -> bool:
    """Whether `text` may name an executor, workflow, job, machine user or wait point."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def is_label(text: object) -> bool:
    """Whether `text` may be what somebody calls a step, a sleep, a signal or a request: any text that every store can keep."""
    return isinstance(text, str) and _LABEL.fullmatch(text) is not None


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was most likely meant to be, or None when nothing is near."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def advice(name: str, known: Iterable[str]) -> str:
    """A sentence for the end of an "unknown name" error: the closest name, else the ones that there are."""
    names = sorted(known)
    near = closest(name, names)
    if near is not None:
        return f'Did you mean "{near}"?'
    if not names:
        return "There are none yet."
    more = ", …" if len(names) > _SHOWN else ""
    return f"Known: {', '.join(names[:_SHOWN])}{more}."
