"""The door for webhooks, wired: what it stores in, what it fetches, how it answers, and where refusals go."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import partial

from hub.assembly.answering import Answering
from hub.assembly.examining import project_seal
from hub.assembly.first_tokens import FirstTokens
from hub.assembly.parts import Parts
from hub.assembly.yielding import Yielding
from hub.declare.config import Config
from hub.triggers.webhook.endpoint import Network
from hub.triggers.webhook.intake import Intake, Settings
from hub.triggers.webhook.keeping import RefusedKeeper
from hub.triggers.webhook.quick import QuickIntake


def trusted_proxies(config: Config) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in config.server.trusted_proxies)


def open_door(parts: Parts, tokens: Mapping[str, bytes]) -> tuple[Intake, QuickIntake]:
    """The intake, and the short way through it. `tokens` are those in the addresses of `webhook: {}`."""
    files = parts.files
    settings = Settings(trusted_proxies=trusted_proxies(parts.config))
    intake = Intake(
        parts.store,
        parts.clock,
        endpoints=files.endpoints,
        tokens=tokens.get,
        documents=files.documents,
        settings=settings,
        respond=Answering(parts.store, parts.evaluator, parts.clock, lambda: parts.surroundings.env),
        confirm=files.fetching.confirm,
        on_refused=RefusedKeeper(
            parts.store.keep_refused, parts.clock, project_seal(files.root), lambda: intake.endpoints
        ),
        on_first_token=FirstTokens(files.root / "var", parts.clock),
    )
    intake.broken = files.broken
    parts.dispatcher.rest = Yielding(lambda: intake.gates.taken, parts.clock)
    return intake, QuickIntake(intake, partial(parts.store.hand_in_event, timeout=settings.store_timeout))
