"""How much one source, and all of them together, may ask at a time. A flood is answered, not queued."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from hub.model.clock import Clock
from hub.triggers.webhook.answer import Answer, retry_later
from hub.triggers.webhook.endpoint import Endpoint


@dataclass(slots=True)
class Gate:
    """Counts of one source."""

    #: Requests that are being read, checked or stored.
    inside: int = 0
    #: Deliveries that may still come in this minute, and when that was reckoned.
    left: float = -1.0
    at: float = field(default=0.0)

    def open(self, endpoint: Endpoint, clock: Clock) -> Answer | None:
        """None to let it pass, counted; else the answer that sends it away."""
        if self.inside >= endpoint.concurrency:
            return retry_later(503, 1, "too many deliveries of this source at the same time")
        if endpoint.rate is not None and (wait := self._wait(endpoint.rate, clock.monotonic())) > 0:
            return retry_later(429, wait, "too many deliveries of this source in a minute")
        self.inside += 1
        return None

    def let_in(self, endpoint: Endpoint, wanted: int, clock: Clock) -> int:
        """How many of so many pass, counted."""
        count = max(0, min(wanted, endpoint.concurrency - self.inside))
        if endpoint.rate is not None:
            self._refill(endpoint.rate, clock.monotonic())
            count = min(count, int(self.left))
            self.left -= count
        self.inside += count
        return count

    def _refill(self, rate: int, seconds: float) -> None:
        """`seconds` only grow."""
        if self.left < 0:
            self.left, self.at = float(rate), seconds
        self.left = min(float(rate), self.left + (seconds - self.at) * rate / 60)
        self.at = seconds

    def _wait(self, rate: int, seconds: float) -> int:
        """Take one delivery out of the minute's share; whole seconds to wait when there is none."""
        self._refill(rate, seconds)
        if self.left >= 1:
            self.left -= 1
            return 0
        return max(1, math.ceil((1 - self.left) * 60 / rate))


class Gates:
    """Every source's gate, and how much all of them together may ask."""

    def __init__(self, clock: Clock, concurrency: int) -> None:
        """`concurrency`: requests of all sources at the same time."""
        self._clock = clock
        self._concurrency = concurrency
        self._gates: dict[str, Gate] = {}
        #: Requests of all sources that are inside now.
        self.inside = 0
        #: Requests that were let in since the beginning.
        self.taken = 0

    def enter(self, endpoint: Endpoint) -> Gate | Answer:
        """The gate, to be left when the request is answered; or the answer that sends it away."""
        if self.inside >= self._concurrency:
            return retry_later(503, 1, "too many deliveries at the same time")
        gate = self._gate(endpoint)
        away = gate.open(endpoint, self._clock)
        if away is not None:
            return away
        self.inside += 1
        self.taken += 1
        return gate

    def enter_together(self, endpoint: Endpoint, wanted: int) -> tuple[Gate, int]:
        """The gate, and how many of so many requests it lets in."""
        gate = self._gate(endpoint)
        count = gate.let_in(endpoint, min(wanted, self._concurrency - self.inside), self._clock)
        self.inside += count
        self.taken += count
        return gate, count

    def leave(self, gate: Gate, count: int = 1) -> None:
        """So many of its requests are answered."""
        self.inside -= count
        gate.inside -= count

    def _gate(self, endpoint: Endpoint) -> Gate:
        gate = self._gates.get(endpoint.name)
        if gate is None:
            gate = self._gates[endpoint.name] = Gate()
        return gate
