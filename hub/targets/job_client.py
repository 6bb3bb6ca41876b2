"""`ctx.http`: what jobs call other services with. Every request carries the call's idempotency key, on every try the same."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import lru_cache

import httpx

_SECONDS = 30.0
#: As many services know it: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
_HEADER = "Idempotency-Key"


def job_client(key: str, plain: bool, calls: Callable[[str], None]) -> httpx.AsyncClient | httpx.Client:
    """A client for one try of a job: a blocking one for plain jobs. Whoever asks for it closes it.

    A request may bring another Idempotency-Key: two different requests of one call need one each. `calls` is told the host,
    with its port if that is not the usual one, before each request.
    """
    headers = {_HEADER: key, "User-Agent": "hub"}

    def tell(request: httpx.Request) -> None:
        calls(request.url.netloc.decode())

    async def tell_loop(request: httpx.Request) -> None:
        tell(request)

    if plain:
        return httpx.Client(headers=headers, timeout=_SECONDS, verify=_trust(), event_hooks={"request": [tell]})
    return httpx.AsyncClient(headers=headers, timeout=_SECONDS, verify=_trust(), event_hooks={"request": [tell_loop]})


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    """Reading the certificates takes longer than most calls, so that is done once."""
    return httpx.create_ssl_context()
