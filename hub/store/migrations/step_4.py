"""Version 4: a body is known by the beginning of its hash, which makes the index of bodies half as large."""

from __future__ import annotations

from alembic.operations import Operations


def climb(op: Operations) -> None:
    # Base64: twelve characters are the first nine bytes. What a node of the version before takes meanwhile has the whole hash,
    # and is known by its id alone.
    op.execute("UPDATE events SET body_key = substr(body_key, 1, 12) WHERE length(body_key) > 12")
