"""What it takes to let somebody in: the keys of tokens, and the count of wrong tries. One for each process; nodes count together."""

from __future__ import annotations

from pathlib import Path

from hub.identity.keys import KeyFile
from hub.identity.throttle import Shared, Throttle
from hub.identity.tokens import Tokens
from hub.model.clock import Clock

KEY_FILE = Path("var/token.keys")


class Gate:
    def __init__(self, root: Path, clock: Clock, shared: Shared | None = None) -> None:
        self.tokens = Tokens(KeyFile(root / KEY_FILE, clock), clock)
        self.throttle = Throttle(clock, shared)
