"""The quick way to read JSON, for bodies that most senders send: short, written without spaces, and nothing odd in them.

It only ever says yes. What it leaves, `read_carefully` decides, and that alone says what is wrong with a body.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import from_json, to_json

#: Bytes. So few hold neither too many values nor too many keys.
_SHORT = 32_768
#: Where senders that put a space behind each colon have done so: what they send would be read in vain.
_BEGINNING = 64
#: Escapes that the writer makes of NUL, which is refused, or that it does not make.
_LEFT = re.compile(rb"\\[u/]")


def read_plain(body: bytes, most_depth: int) -> tuple[Any] | None:
    """The value of a body that is, byte for byte, what a writer makes of this value. None: it is not, or no JSON, or too deep.

    Where the reader is too kind, the writer tells: of a key that stands there twice it has only one, and a number beyond every
    float is none to it.
    """
    if len(body) > _SHORT or b'": ' in body[:_BEGINNING] or (b"\\" in body and _LEFT.search(body) is not None):
        return None
    try:
        # It would keep short texts for the next body, and values may be secret.
        value = from_json(body, allow_inf_nan=False, cache_strings="keys")
        if to_json(value) != body:
            return None
    except ValueError:
        return None
    return (value,) if len(body) - len(body.translate(None, b"{[")) <= most_depth else None
