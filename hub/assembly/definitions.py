"""What a node has loaded, as one short word: nodes of one hub should have the same."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

from hub.assembly.common_time import go_by_the_nodes
from hub.assembly.files import Files
from hub.client.nodes import differences
from hub.declare.config import sqlite_path
from hub.model.clock import Clock, SharedClock, SystemClock
from hub.model.errors import HubError
from hub.store import Store, open_store

log = logging.getLogger(__name__)

#: How often the other nodes are looked at, in seconds.
_LOOK_SECONDS = 5.0


def revision_of(root: Path) -> str:
    """A hash of the executors' and workflows' files of a project: names and contents."""
    seen = hashlib.sha256()
    for path in sorted([*root.glob("executors/*.y*ml"), *root.glob("workflows/**/*.py")]):
        content = path.read_bytes() if path.is_file() else b""
        seen.update(f"{path.relative_to(root)} {len(content)}\n".encode() + content)
    return seen.hexdigest()[:12]


async def other_nodes(files: Files) -> list[str]:
    """What `differences` says of the nodes of a project whose store several may serve; or why they could not be asked."""
    if files.config is None or sqlite_path(files.config.store, files.root) is not None:
        return []
    clock = SharedClock(SystemClock())
    try:
        store = open_store(files.config.store.reveal(), clock, allow_unsafe=files.config.allow_unsafe)
    except HubError as error:
        return [f"the nodes of this hub could not be asked what they have loaded: {error}"]
    try:
        await go_by_the_nodes(store, clock)
        return differences(revision_of(files.root), await store.nodes())
    except HubError as error:
        return [f"the nodes of this hub could not be asked what they have loaded: {error}"]
    finally:
        await store.close()


class Comparing:
    """Says in the log when another node goes on having other definitions than this one, once each."""

    def __init__(self, store: Store, clock: Clock, revision: Callable[[], str]) -> None:
        self._store = store
        self._clock = clock
        self._revision = revision
        #: What was different the last time, and what of it was said. Nodes take in changed files a moment after each other.
        self._seen: set[str] = set()
        self._said: set[str] = set()

    async def run_once(self) -> int:
        """Compare, and say what is new; how many differences that were."""
        found = set(differences(self._revision(), await self._store.nodes()))
        new = (found & self._seen) - self._said
        for sentence in sorted(new):
            log.warning("%s", sentence)
        self._said = (self._said & found) | new
        self._seen = found
        return len(new)

    async def serve(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self.run_once()
            except HubError as error:
                log.debug("the other nodes are looked at later: %s", error)
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await stop.wait()
            except TimeoutError:
                continue
