"""Bodies off the wire: no larger, no slower and no more at once than is allowed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from hub.triggers.webhook.answer import Answer, problem, retry_later

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_CLOSE = (b"connection", b"close")


class Gone(Exception):
    """The sender hung up."""


class TurnedAway(Exception):
    """The body is not taken; `answer` says why."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__(answer.status)


@dataclass(slots=True)
class Budget:
    """Bytes of unfinished bodies, of all senders together."""

    most: int
    held: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """How slowly a body may come, in seconds and bytes a second."""

    #: Until when everything must be there.
    deadline: float = 30.0
    #: How long a sender may take to get going.
    patience: float = 5.0
    #: What it must keep up after that.
    rate: int = 1_024

    def allowed(self, received: int) -> float:
        """Seconds after the beginning at which a body of which `received` bytes are there is given up."""
        return min(self.deadline, self.patience + received / self.rate)


async def read_body_bytes(receive: Receive, most: int, pace: Pace, budget: Budget) -> bytes:
    """The whole body. Raises TurnedAway (408, 413, 503) or Gone."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    received = 0
    chunks: list[bytes] = []
    try:
        async with asyncio.timeout_at(begun + pace.allowed(0)) as limit:
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise Gone
                chunk: bytes = message.get("body", b"")
                more = message.get("more_body", False)
                received += len(chunk)
                if received > most:
                    raise TurnedAway(problem(413, _CLOSE))
                if not more:
                    return chunk if not chunks else b"".join([*chunks, chunk])
                chunks.append(chunk)
                budget.held += len(chunk)
                if budget.held > budget.most:
                    raise TurnedAway(retry_later(503, 1, "too many unfinished bodies"))
                limit.reschedule(begun + pace.allowed(received))
    except TimeoutError:
        raise TurnedAway(problem(408, _CLOSE)) from None
    finally:
        budget.held -= sum(map(len, chunks))
