"""Version 5: a SQLite file that has been served knows bodies by a table in place of an index (`hub.store.dialects.sqlite_bodies`).

Nothing is changed here: a server of the version before may still be at work, and needs the index. The number keeps hubs of that version
from a file that has none any more.
"""

from __future__ import annotations

from alembic.operations import Operations


def climb(op: Operations) -> None:
    """The process that serves does it when it takes its seat."""
