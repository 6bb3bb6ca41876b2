"""Executors held against the databases that they watch: do the tables exist?"""

from __future__ import annotations

from hub.assembly.files import Files
from hub.declare.config import sqlite_path
from hub.model.clock import SystemClock
from hub.model.errors import HubError
from hub.model.executor import Problem
from hub.triggers.record_events.sqlite import SQLiteWatched
from hub.triggers.record_events.wanted import problems, wanted


async def table_problems(files: Files) -> list[Problem]:
    """A problem for every table that cannot be watched. A database that is not there yet, or busy, is not judged."""
    if files.config is None:
        return []
    found: list[Problem] = []
    for namespace in wanted(files.executors):
        url = files.config.databases.get(namespace)
        path = None if url is None else sqlite_path(url, files.root)
        if path is None or not path.exists():
            continue
        watched = SQLiteWatched(namespace, path.resolve(), SystemClock())
        try:
            found += problems(files.executors, namespace, await watched.relations())
        except HubError:
            continue
        finally:
            await watched.close()
    return found
