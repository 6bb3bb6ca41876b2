"""Changed files take effect while the hub serves: a saved executor is used within some two seconds, also for what is under way.

What runs keeps the code that it began with. Rights, plain values and secrets are those of the moment for everybody: what is
taken away in config/hub.yaml is gone in the middle of an execution.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import fields
from pathlib import Path

from hub.assembly.files import Files, read_files
from hub.declare.config import CONFIG_FILE, Config
from hub.declare.executors import executor_files
from hub.declare.secrets import SECRETS_FILE
from hub.model.clock import Clock
from hub.model.errors import HubError

log = logging.getLogger(__name__)

#: How often the files are looked at, in seconds. A look costs a system call for each.
_LOOK_SECONDS = 0.5

#: What is asked only once, at the start.
_FIXED = ("store", "server", "databases", "engine", "retention")

#: (modified at, number, size) of each file.
Seen = dict[str, tuple[int, int, int]]


class Reloading:
    """Looks at the files of a project, and hands them on when they have changed."""

    def __init__(
        self,
        files: Files,
        clock: Clock,
        take: Callable[[Files], Awaitable[None]],
        *,
        code: bool = False,
    ) -> None:
        """`code`: workflows/ too. `take` puts files into effect."""
        self._files = files
        self._clock = clock
        self._take = take
        self._code = code
        self._seen = self._look()

    async def run_once(self) -> int:
        """1 when something had changed, else 0."""
        seen = await asyncio.to_thread(self._look)
        if seen == self._seen:
            return 0
        changed, self._seen = _differences(self._seen, seen), seen
        await self._reload(changed)
        return 1

    async def serve(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await stop.wait()
            except TimeoutError:
                try:
                    await self.run_once()
                except HubError as error:
                    # What was read is tried again with the next change.
                    log.warning("changed files could not be put into effect: %s", error)

    async def _reload(self, changed: list[str]) -> None:
        now = self._files
        kept = None if self._code and any(name.startswith("workflows/") for name in changed) else now.discovered
        read = await asyncio.to_thread(
            read_files, now.root, documents=now.documents, discovered=kept, hiding=now.hiding
        )
        await read.fetching.close()
        for problem in read.problems:
            if problem not in now.problems:
                log.warning("%s", problem)
        for warning in read.warnings:
            if warning not in now.warnings:
                log.warning("%s", warning)
        if read.config is None:
            log.warning("%s cannot be used as it is now: everything stays as it was until it is mended", CONFIG_FILE)
            return
        if later := _fixed(now.config, read.config):
            log.warning("%s: a change of %s takes effect at the next start", CONFIG_FILE, ", ".join(later))
        self._files = read
        await self._take(read)
        log.info("changed files are in effect: %s", _named(changed))

    def _look(self) -> Seen:
        root, seen = self._files.root, Seen()
        for path in self._paths(root):
            try:
                status = path.stat()
            except OSError:
                continue
            seen[str(path.relative_to(root))] = (status.st_mtime_ns, status.st_ino, status.st_size)
        return seen

    def _paths(self, root: Path) -> Iterator[Path]:
        yield root / CONFIG_FILE
        yield root / SECRETS_FILE
        yield from executor_files(root)
        if self._code:
            yield from root.glob("workflows/**/*.py")


def _differences(before: Seen, after: Seen) -> list[str]:
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def _fixed(before: Config | None, after: Config) -> list[str]:
    """Settings that have changed and are asked only at the start."""
    known = {field.name for field in fields(after)}
    return [name for name in _FIXED if name in known and getattr(before, name, None) != getattr(after, name)]


_SHOWN = 5


def _named(changed: list[str]) -> str:
    more = len(changed) - _SHOWN
    return ", ".join(changed[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
