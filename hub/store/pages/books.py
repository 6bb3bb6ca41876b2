"""Whether the books balance."""

from __future__ import annotations

from hub.model.books import Books
from hub.store.pages.page import Page
from hub.store.reads import books as reads


class BooksPage(Page):
    """Whether the books balance."""

    async def books(self, since: int) -> Books:
        """Read everything. Deliveries since then (milliseconds since 1970 UTC) must still have their execution."""
        return await self._read(reads.books, self._clock.now(), since)
