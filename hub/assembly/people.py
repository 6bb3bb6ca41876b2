"""The door for people, wired: the console of this hub."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hub.api.live import Live
from hub.assembly.parts import Parts
from hub.assembly.webhooks import trusted_proxies
from hub.console.app import ConsoleRoute
from hub.console.installation import Installation


def console_route(
    parts: Parts,
    troubles: Callable[[], Sequence[str]],
    live: Live,
    lateness: Callable[[], Mapping[str, float]],
) -> ConsoleRoute:
    """Answering under the address where this hub is reached."""
    return ConsoleRoute(
        Installation(
            parts.client,
            parts.clock,
            parts.files.root.name,
            parts.reached.here,
            troubles,
            lambda: parts.files.problems,
            live,
            lateness,
            trusted_proxies(parts.config),
        )
    )
