"""Executors held against the databases that they watch: do the tables exist?"""

from __future__ import annotations

from hub.assembly.files import Files
from hub.model.clock import SystemClock
from hub.model.errors import HubError
from hub.model.executor import Problem
from hub.triggers.record_events.choosing import watched_at
from hub.triggers.record_events.wanted import problems, wanted


async def table_problems(files: Files) -> list[Problem]:
    """A problem for every table that cannot be watched. A database that is not there yet, or busy, is not judged."""
    if files.config is None:
        return []
    found: list[Problem] = []
    for namespace in wanted(files.executors):
        url = files.config.databases.get(namespace)
        watched = None if url is None else watched_at(namespace, url, files.root, SystemClock())
        if watched is None:
            continue
        try:
            found += problems(files.executors, namespace, await watched.relations())
        except HubError:
            continue
        finally:
            await watched.close()
    return found
