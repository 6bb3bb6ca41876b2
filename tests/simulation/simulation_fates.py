"""What happens to each batch: nothing, one chosen crash, or whatever a seed brings."""

from __future__ import annotations

import random
from collections.abc import Sequence

from simulated_loop import Host
from simulated_node import LEASE
from simulated_store import (
    DIE_AFTER,
    DIE_BEFORE,
    FINE,
    FREEZE_AFTER,
    FREEZE_BEFORE,
    LOST_REPLY,
    REFUSED,
    Fate,
)

DEATHS = (DIE_BEFORE, DIE_AFTER)
FREEZES = (FREEZE_BEFORE, FREEZE_AFTER)
SILENCES = (REFUSED, LOST_REPLY)
FAULTS = (*DEATHS, *DEATHS, *FREEZES, *SILENCES)


class Planned:
    """Batches of nodes are counted; at some the process dies, before or after the commit."""

    def __init__(self, at: Sequence[tuple[int, str]] = ()) -> None:
        self._at = dict(at)
        self.seen = 0

    def of(self, host: Host, verbs: Sequence[str]) -> Fate:
        if host.name == "client" or verbs == ["beat"]:
            return Fate(before=0.0005)
        self.seen += 1
        return Fate(self._at.get(self.seen, FINE), before=0.0005)


class Seeded:
    """Faults at random for a while, then calm."""

    def __init__(
        self, seed: int, *, faulty_until: int = 60, rate: float = 0.06, faults: Sequence[str] = FAULTS
    ) -> None:
        self._random = random.Random(seed)
        self._left = faulty_until
        self._rate = rate
        self._faults = faults
        self.kinds: list[str] = []

    def of(self, host: Host, verbs: Sequence[str]) -> Fate:  # noqa: ARG002 - whatever it writes
        choose = self._random
        before = choose.choice([0.0, 0.0005, 0.002, 0.03])
        after = choose.choice([0.0, 0.0, 0.001, 0.02])
        if choose.random() < 0.02:
            before = choose.uniform(0.1, LEASE)
        if self._left > 0:
            self._left -= 1
            if choose.random() < self._rate:
                what = self._fault(host)
                self.kinds.append(what)
                return Fate(what, before, after, choose.uniform(0.3, 2.5) * LEASE)
        return Fate(FINE, before, after)

    def _fault(self, host: Host) -> str:
        if host.name == "client":
            return self._random.choice([REFUSED, LOST_REPLY])
        return self._random.choice(self._faults)
