"""Certificates and key sets of senders: fetched once, kept for an hour, never from an address that a stranger chose."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hub.triggers.webhook.request import Wanted

Fetch = Callable[[Wanted], Awaitable[bytes]]

#: Milliseconds that a document is believed, and that must pass between two tries for one that is there already.
KEPT = 3_600_000
BETWEEN = 60_000
#: How many documents are kept, and how many are fetched in a minute for all senders together.
MOST = 64
MOST_FETCHES = 20
LARGEST = 65_536


@dataclass(frozen=True, slots=True)
class _Kept:
    content: bytes
    at: int


class Documents:
    """Fetched documents by what was asked for. Verifiers read it; the intake fills it."""

    def __init__(self, fetch: Fetch | None = None) -> None:
        self._fetch = fetch
        self._kept: dict[Wanted, _Kept] = {}
        self._tried: dict[Wanted, int] = {}
        self._lock = asyncio.Lock()

    def get(self, wanted: Wanted, now_ms: int) -> bytes | None:
        """The document, when it is there and not too old."""
        kept = self._kept.get(wanted)
        return kept.content if kept is not None and now_ms - kept.at < KEPT else None

    def may_come(self, wanted: Wanted, now_ms: int) -> bool:
        """Whether fetching it now could help: it is not a minute since the last try."""
        tried = self._tried.get(wanted)
        return self._fetch is not None and (tried is None or not 0 <= now_ms - tried < BETWEEN)

    async def load(self, wanted: Wanted, now_ms: int) -> bool:
        """Fetch a document, at most once a minute; whether there is a fresh one now. Raises nothing but cancellation."""
        if self._fetch is None:
            return False
        async with self._lock:
            if now_ms - self._tried.get(wanted, -BETWEEN) < BETWEEN:
                return self.get(wanted, now_ms) is not None
            self._tried = {key: at for key, at in self._tried.items() if 0 <= now_ms - at < BETWEEN}
            if len(self._tried) >= MOST_FETCHES:
                return False
            self._tried[wanted] = now_ms
            try:
                content = await self._fetch(wanted)
            except Exception:  # noqa: BLE001 - whatever a stranger's server does, the answer is that there is no document
                return False
            if len(content) > LARGEST:
                return False
            while len(self._kept) >= MOST:
                self._kept.pop(next(iter(self._kept)))
            self._kept[wanted] = _Kept(content, now_ms)
            return True
