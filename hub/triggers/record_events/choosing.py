"""Which kind of database is behind an address of config/hub.yaml."""

from __future__ import annotations

from pathlib import Path

from hub.declare.config import sqlite_path
from hub.declare.secrets import Secret
from hub.model.clock import Clock
from hub.triggers.record_events.sqlite import SQLiteWatched
from hub.triggers.record_events.watched import Watched

_POSTGRES = ("postgresql://", "postgres://", "postgresql+psycopg://")


def watched_at(namespace: str, url: Secret | str, root: Path, clock: Clock) -> Watched | None:
    """The database, ready to be watched; None for a kind that cannot be. Nothing is opened yet."""
    path = sqlite_path(url, root)
    if path is not None:
        return SQLiteWatched(namespace, path.resolve(), clock)
    text = url.reveal() if isinstance(url, Secret) else url
    if not text.startswith(_POSTGRES):
        return None
    from hub.triggers.record_events.postgres import PostgresWatched

    return PostgresWatched(namespace, text, clock)
