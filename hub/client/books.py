"""Whether the hub's books balance."""

from __future__ import annotations

from dataclasses import replace

from hub.client.verbs import Verbs
from hub.model.books import Books, Finding


class BooksVerbs(Verbs):
    """Whether the hub's books balance."""

    async def check_books(self, kept_since: int) -> Books:
        """Read the whole store, with or without a process that serves it.

        `kept_since`, in milliseconds since 1970 UTC: what ended later is still within its retention.
        """
        self._require("metrics:read")
        damage = await self._store.damage()
        books = await self._store.books(kept_since)
        return replace(books, findings=(*[Finding("damage", "the database", said) for said in damage], *books.findings))
