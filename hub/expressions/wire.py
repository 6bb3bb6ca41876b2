"""The bytes between the hub and its child.

A request is a line of words and then its texts, without separators; the last word has their lengths:

    evaluate NOW SEED1 SEED2 SEED3 SEED4 KINDS LENGTH,LENGTH,…     args, context, env, then an expression for each kind
    check LENGTH,LENGTH,…                                          expressions

Kinds are letters: `c` condition, `v` value, `t` value inside a text. An answer is its length, a line feed, and

    =[[type, truth, value of the condition], [[value], …]]     ; `[]` stands for undefined
    =[null or [line, column, message], …]         ; of a check
    ![which expression, line, column, message]
    =ready                                        ; once, at the start
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from hub.expressions.request import Scope

_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
#: Of an answer's length: results are 1 MiB at most, and three times as long in UTF-8.
_MOST_DIGITS = 7
_dice = struct.Struct("<4I")


def evaluation(scope: Scope, kinds: str, sources: Sequence[str]) -> bytes:
    """Raises TypeError, ValueError or RecursionError where the scope is not JSON."""
    seen = [_encode(_plain(part)) for part in (scope.args, scope.context, scope.env)]
    seeds = _dice.unpack(hashlib.blake2b(scope.seed.encode(errors="replace"), digest_size=_dice.size).digest())
    words = f"evaluate {scope.now} {seeds[0]} {seeds[1]} {seeds[2]} {seeds[3]} {kinds}"
    return _frame(words, [*seen, *sources])


def check(sources: Sequence[str]) -> bytes:
    return _frame("check", sources)


def answers(buffer: bytearray) -> Iterator[bytes]:
    """Takes every complete answer out of the buffer. Raises ValueError for what no honest child writes."""
    while (end := buffer.find(b"\n", 0, _MOST_DIGITS + 1)) >= 0:
        whole = end + 1 + int(buffer[:end])
        if len(buffer) < whole:
            return
        body = bytes(buffer[end + 1 : whole])
        del buffer[:whole]
        yield body
    if len(buffer) > _MOST_DIGITS:
        raise ValueError("an answer without a length")


def _frame(words: str, texts: Sequence[str]) -> bytes:
    bodies = [text.encode() for text in texts]
    return b"".join([f"{words} {','.join([str(len(body)) for body in bodies])}\n".encode(), *bodies])


def _plain(mapping: Any) -> Any:
    return mapping if isinstance(mapping, dict) else dict(mapping)
