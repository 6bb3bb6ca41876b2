"""Numbers of things, as people say them."""

from __future__ import annotations


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 workflow`, `3 workflows`, `0 deliveries`; with `many` for what is more than a noun: `2 executions go on`."""
    if count != 1:
        one = many or (f"{one[:-1]}ies" if one.endswith("y") and one[-2] not in "aeiou" else f"{one}s")
    return f"{count:,} {one}"
