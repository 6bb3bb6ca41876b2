"""The watched databases of a hub that serves: each has a loop of its own, and its trouble is nobody else's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from hub.assembly.files import Files
from hub.assembly.parts import Parts
from hub.triggers.record_events.choosing import watched_at
from hub.triggers.record_events.drain import Drain
from hub.triggers.record_events.keeper import Keeper
from hub.triggers.record_events.wanted import wanted
from hub.triggers.record_events.watched import Watched
from hub.triggers.record_events.watching import Watching

log = logging.getLogger(__name__)

#: How soon trouble, or its end, is said.
_TELL_SECONDS = 1.0


class RecordEvents:
    """All databases of config/hub.yaml whose rows can be watched, by name."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._opened: list[Watched] = []
        self._watching: dict[str, Watching] = {}

    async def begin(self) -> None:
        """What is written in a database from the moment this returns is an event, unless it is in trouble."""
        parts, tables = self._parts, wanted(self._parts.files.executors)
        for name, url in parts.config.databases.items():
            watched = watched_at(name, url, parts.files.root, parts.clock)
            if watched is not None:
                self._opened.append(watched)
                keeper = Keeper(watched, tables.get(name, {}))
                self._watching[name] = Watching(watched, Drain(watched, parts.store), keeper, parts.clock)
            elif name in tables:
                log.warning(
                    "record events of the database %s are not watched: it is neither SQLite nor PostgreSQL", name
                )
        await asyncio.gather(*[one.run_once() for one in self._watching.values() if one.is_wanted])

    def loops(self, stop: asyncio.Event) -> list[Coroutine[Any, Any, None]]:
        """One a database, to be run until `stop`."""
        return [self._watch(name, watching, stop) for name, watching in self._watching.items()]

    def replace(self, files: Files) -> None:
        """Executors have changed: their tables get the triggers that they want now."""
        tables = wanted(files.executors)
        for name, watching in self._watching.items():
            watching.want(tables.get(name, {}))

    def troubles(self) -> list[str]:
        """What keeps watched databases from working, of those that an executor listens to."""
        return [one.trouble for one in self._watching.values() if one.is_wanted and one.trouble is not None]

    async def close(self) -> None:
        for watched in self._opened:
            await watched.close()

    async def _watch(self, name: str, watching: Watching, stop: asyncio.Event) -> None:
        telling = asyncio.create_task(self._tell(name, watching))
        try:
            await watching.watch(stop)
        finally:
            telling.cancel()

    async def _tell(self, name: str, watching: Watching) -> None:
        """Log trouble once when it begins, and once when it is over."""
        said: str | None = None
        while True:
            if watching.trouble != said:
                said = watching.trouble
                level = logging.INFO if said is None else logging.WARNING
                log.log(level, "database %s: %s", name, said or "is watched again")
            await self._parts.clock.sleep(_TELL_SECONDS)
