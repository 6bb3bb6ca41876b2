"""A page is declared with who may see it; the console does not start with one that is not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

from hub.console.visit import Visit
from hub.model.actions import ACTIONS

#: Everybody, also who has not signed in.
PUBLIC = "public"
#: Whoever has signed in.
SIGNED_IN = "signed in"


@dataclass(frozen=True, slots=True)
class Page:
    """One address of the console. `action` is one of `hub.model.actions`, PUBLIC or SIGNED_IN."""

    path: str
    action: str
    answer: Callable[[Visit], Awaitable[Response]]
    #: GET looks, POST acts.
    method: Literal["GET", "POST"] = "GET"

    def __post_init__(self) -> None:
        if self.action not in (PUBLIC, SIGNED_IN) and self.action not in ACTIONS:
            raise ValueError(f'the page {self.method} {self.path} names no action: "{self.action}"')
