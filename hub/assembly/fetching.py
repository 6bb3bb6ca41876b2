"""What webhooks fetch from their senders' own servers: certificates, keys, and the address that confirms a subscription."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Sequence

from hub.declare.config import Config
from hub.targets.outgoing import FetchFailed, Network, Outgoing
from hub.triggers.webhook.documents import LARGEST
from hub.triggers.webhook.request import Wanted

_LAST_GOOD = 299


def outgoing(config: Config | None, allowed: Sequence[Network] = ()) -> Outgoing:
    """A client that calls nobody near, but for the allowed networks, and not the hub itself."""
    own = []
    if config is not None:
        with contextlib.suppress(ValueError):  # a name of this machine has a private address
            own.append(ipaddress.ip_address(config.server.host))
    return Outgoing(allowed=allowed, refused=own)


class Calling:
    """The client of http and graphql targets, made when it is first needed, in the loop that jobs run in."""

    def __init__(self, config: Config | None) -> None:
        self._config = config
        self._client: Outgoing | None = None

    def __call__(self) -> Outgoing:
        if self._client is None:
            allowed = () if self._config is None else self._config.outgoing.allow
            self._client = outgoing(self._config, [ipaddress.ip_network(text) for text in allowed])
        return self._client


class Fetching:
    """The two calls, over one client that is made when it is first needed."""

    def __init__(self, config: Config | None) -> None:
        self._config = config
        self._client: Outgoing | None = None

    async def document(self, wanted: Wanted) -> bytes:
        """A certificate or key set. Raises HubError."""
        post = {"content-type": "application/json"} if wanted.body else None
        return await self._fetch(wanted.url, wanted.body, post)

    async def confirm(self, url: str) -> None:
        """Say yes to a subscription. Raises HubError when it was not taken."""
        await self._fetch(url, b"", None)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def _fetch(self, url: str, body: bytes, headers: dict[str, str] | None) -> bytes:
        if self._client is None:
            self._client = outgoing(self._config)
        answer = await self._client.fetch(
            url, method="POST" if body else "GET", body=body, headers=headers, most=LARGEST
        )
        if answer.status > _LAST_GOOD:
            raise FetchFailed(f"it was answered with {answer.status}.")
        return answer.body
