"""Webhooks: the tokens in their addresses, and deliveries that were turned away."""

from __future__ import annotations

from hub.store.executors import OFFER_TOKEN, TokenOffer
from hub.store.pages.page import Page
from hub.store.refused import DROP_REFUSED, KEEP_REFUSED, RefusedDelivery, refused, refused_one


class WebhooksPage(Page):
    """Webhooks: the tokens in their addresses, and deliveries that were turned away."""

    def keep_refused(self, refused: RefusedDelivery) -> None:
        """Keep a delivery that was turned away, until newer ones take its place. Nobody waits for it."""
        self._writer.ride(KEEP_REFUSED, id(refused), refused)

    async def refused(self, executor: str | None = None, limit: int = 50) -> list[RefusedDelivery]:
        """Newest first; of one executor, or of all."""
        return await self._read(refused, executor, limit)

    async def refused_one(self, identifier: int) -> RefusedDelivery | None:
        return await self._read(refused_one, identifier)

    async def drop_refused(self, identifier: int) -> None:
        """Forget a refused delivery: it was let in after all."""
        await self._writer.submit(DROP_REFUSED, identifier)

    async def offer_token(self, executor: str, token: str) -> str:
        """The token in the executor's URL: the one that it has, else this one."""
        return await self._writer.submit(OFFER_TOKEN, TokenOffer(executor, token))
