"""Large results: kept once by their hash, out of the rows that are read and written all the time.

In place of the text such a row holds a reference, "@" and the hash. No JSON text begins so. References may be copied freely
(a parent has its child's result, a fork its origin's): a content goes when the last one has gone.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hub.model.values import digest
from hub.store.dialects.base import Row, Tx

#: Characters from which on a result is kept apart.
LARGE = 65_536

#: References in a column, for the indexes and for the questions that use them.
REFERS = "substr(result, 1, 1) = '@'"


@dataclass(frozen=True, slots=True)
class Content:
    hash: str
    #: Compressed by zlib. JSON text always becomes shorter by that, random text too.
    packed: bytes


def offloaded(text: str | None) -> tuple[str | None, Content | None]:
    """What its row holds of a result, and what is kept apart."""
    if text is None or len(text) < LARGE:
        return text, None
    content = Content(digest(text), zlib.compress(text.encode(), 1))
    return f"@{content.hash}", content


def unpacked(packed: bytes) -> str:
    return zlib.decompress(packed).decode()


def is_reference(text: str | None) -> bool:
    return text is not None and text.startswith("@")


def keep(tx: Tx, contents: Iterable[Content], now: int) -> None:
    """Store what is not there. What is there is used from now on, so that pruning passes it by."""
    for content in contents:
        tx.run(
            "INSERT INTO contents (hash, packed, used_at) VALUES (?, ?, ?) "
            "ON CONFLICT (hash) DO UPDATE SET used_at = excluded.used_at",
            (content.hash, content.packed, now),
        )


def whole(tx: Tx, text: str | None) -> str | None:
    """The text behind a reference; anything else as it is."""
    if not is_reference(text):
        return text
    assert text is not None
    ((packed,),) = tx.rows("SELECT packed FROM contents WHERE hash = ?", (text[1:],))
    return unpacked(packed)


def referred(tx: Tx, executions: Sequence[str]) -> set[str]:
    """References that these executions hold."""
    marks = ", ".join("?" * len(executions))
    found: list[Row] = tx.rows(
        f"SELECT result FROM checkpoints WHERE {REFERS} AND execution_id IN ({marks}) "
        f"UNION SELECT result FROM executions WHERE {REFERS} AND id IN ({marks})",
        (*executions, *executions),
    )
    return {reference for (reference,) in found}


def forget(tx: Tx, references: Iterable[str], before: int) -> None:
    """Delete the contents that nobody refers to any more and nobody has stored since `before`."""
    for reference in references:
        tx.run(
            "DELETE FROM contents WHERE hash = ? AND used_at < ? "
            f"AND NOT EXISTS (SELECT 1 FROM checkpoints WHERE {REFERS} AND result = ?) "
            f"AND NOT EXISTS (SELECT 1 FROM executions WHERE {REFERS} AND result = ?)",
            (reference[1:], before, reference, reference),
        )
