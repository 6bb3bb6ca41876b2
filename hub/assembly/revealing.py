"""Values of a project's files with their references filled in, at the places where the secrets among them are used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hub.declare.secrets import Secrets, fill, references, revealed
from hub.model.executor import Position
from hub.model.hiding import SHORTEST, Hiding


@dataclass(frozen=True, slots=True)
class Revealing:
    """Fills in from one environment and one set of secrets."""

    environment: Mapping[str, str]
    secrets: Secrets
    #: Learns each secret that is revealed.
    hiding: Hiding

    def tell_of_short_ones(self) -> None:
        """Say which secrets of the file are too short to be hidden, whoever uses them."""
        for name, value in self.secrets.file.items():
            if len(value) < SHORTEST:
                self.hiding.learn(value, name)

    def fill(self, value: Any, *, at: Callable[[tuple[str | int, ...]], Position]) -> Any:
        """Filled in and revealed. Raises HubError, with the position `at` the place of a reference, for what is not there."""
        for _, kind, name in references(value):
            if kind == "secret" and (secret := self.secrets.find(name)) is not None:
                self.hiding.learn(secret.reveal(), name)
        return revealed(fill(value, self.environment, self.secrets, at=at))
