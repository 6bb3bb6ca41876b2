"""The main process' side of the side door: sends it connections in a flood, and stores what it has checked."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, repeat
from operator import itemgetter
from typing import Any

from hub.api.passing import Passage, Values
from hub.api.side_door import ALL_NEW, CONFLICT, NEW, NOT_HERE, NOT_STORED, REPEATED
from hub.model.clock import Clock
from hub.model.errors import StoreUnavailable
from hub.model.event import StoredEvent
from hub.triggers.webhook.gate import Gate
from hub.triggers.webhook.intake import Intake
from hub.triggers.webhook.quick import PREFIX

log = logging.getLogger(__name__)

#: Connections at the side door, at the same time.
_MOST = 512
#: Seconds for the last answers, when the hub stops.
_PATIENCE = 2.0

#: Stores rows, each of values and bytes, and calls back with what became of them in their order.
HandIn = Callable[[Sequence[tuple[Sequence[Any], bytes]], Callable[[Sequence[StoredEvent] | Exception], None]], None]
#: Serves a connection, of which some bytes are read already.
Adopt = Callable[[socket.socket, bytes], None]


#: What became of a delivery, and the id of its event.
_Fate = tuple[int, str]
_NOT_HERE: _Fate = (NOT_HERE, "")


@dataclass(frozen=True, slots=True)
class Flood:
    """So many webhooks, answered within so many seconds."""

    row: int = 64
    seconds: float = 0.064


@dataclass(slots=True)
class _Message:
    """Deliveries that the side door has sent together."""

    number: int
    #: Of each, whether it may come.
    here: list[bool] = field(default_factory=list)
    #: The gates that they have gone through, and how many.
    entered: list[tuple[Gate, int]] = field(default_factory=list)


class Doorkeeper:
    """Is asked behind each answer whether the connection should go. When the side door has failed, every one stays."""

    def __init__(self, intake: Intake, hand_in: HandIn, clock: Clock, files: str, flood: Flood = Flood()) -> None:
        """`files`: what those are that the intake's endpoints are of, as the side door says it."""
        self._intake = intake
        self._hand_in = hand_in
        self._clock = clock
        self._files = files
        #: Whether the side door was told to read them, and whether it has read the same ones.
        self._asked = self._agreed = False
        self._loop = asyncio.get_running_loop()
        self._values = Values(self._told, self._lost)
        self._passage: Passage | None = None
        self._ended = asyncio.Event()
        self._stopping = False
        self._count = 0
        self._since = 0.0
        self._flood = flood
        self._flooded = False
        #: Connections at the side door.
        self._away = 0

    async def start(self, values: socket.socket, passage: socket.socket, adopt: Adopt) -> None:
        """`adopt` serves what the side door gives back."""
        await self._loop.create_unix_connection(lambda: self._values, sock=values)
        self._passage = Passage(passage, adopt)

    async def stop(self) -> bool:
        """Let it give its last answers; whether it has ended."""
        self._stopping = True
        if self._passage is None:
            return True
        self._values.send(("stop", [], self._clock.now()))
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._ended.wait()
        except TimeoutError:
            self._values.close()
            return False
        return True

    def take(self, connection: int, path: str) -> bool:
        """Whether the side door has taken over a connection, of which nothing has come since its last answer."""
        self._count += 1
        if self._count >= self._flood.row:
            now = self._loop.time()
            self._flooded, self._since, self._count = now - self._since < self._flood.seconds, now, 0
        if not self._flooded or self._passage is None or self._stopping:
            return False
        if not self._asked:
            self._asked = True
            self._values.send(("files", [], self._clock.now()))
        if not self._agreed or self._away >= _MOST or not self._suits(path):
            return False
        given = self._passage.give(connection, wait=False)
        self._away += given
        return given

    def _suits(self, path: str) -> bool:
        """Whether the side door could take deliveries to this path; it would give back all others."""
        endpoint = self._intake.endpoints.get(path.removeprefix(PREFIX))
        return endpoint is not None and not endpoint.networks and not endpoint.response.deferred

    def changed(self, files: str) -> None:
        """The intake has other endpoints. What the side door has checked by the old ones is checked again."""
        self._files, self._asked, self._agreed = files, False, False

    def _told(self, value: Sequence[Any], data: bytes) -> None:
        kind, *what = value
        if kind == "events":
            number, files, checked = what
            self._store(number, checked, data, holds=files == self._files)
        elif kind == "left":
            self._away -= what[0]
        elif kind == "files":
            self._agreed = what[0] == self._files
            if self._agreed:
                log.info("webhooks come in a flood: they are checked in a process of their own")

    def _store(self, number: int, checked: Sequence[Any], data: bytes, *, holds: bool) -> None:
        """Hand in what may come, all at once; the others go back to the main door."""
        message = _Message(number)
        rows: list[tuple[Sequence[Any], bytes]] = []
        start = 0
        for name, alike in groupby(checked, itemgetter(0)):
            deliveries = list(alike)
            admitted = self._enter(message, name, len(deliveries)) if holds else 0
            message.here += [True] * admitted + [False] * (len(deliveries) - admitted)
            for place, (_, row, length) in enumerate(deliveries):
                if place < admitted:
                    rows.append((row, data[start : start + length]))
                start += length
        if rows:
            self._hand_in(rows, partial(self._stored, message))
        else:
            self._answer(number, [_NOT_HERE] * len(checked))

    def _enter(self, message: _Message, name: str, wanted: int) -> int:
        """How many of so many deliveries to one endpoint may come."""
        endpoint = self._intake.endpoints.get(name)
        if endpoint is None:
            return 0
        gate, admitted = self._intake.gates.enter_together(endpoint, wanted)
        message.entered.append((gate, admitted))
        return admitted

    def _stored(self, message: _Message, stored: Sequence[StoredEvent] | Exception) -> None:
        fates: Iterator[_Fate]
        if isinstance(stored, StoreUnavailable):
            fates = repeat((NOT_STORED, ""))
        elif isinstance(stored, Exception):
            # It may be the fault of one of them: at the main door each is stored by itself.
            log.error("webhooks could not be stored together", exc_info=stored)
            fates = repeat(_NOT_HERE)
        else:
            fates = map(_fate, stored)
        if not isinstance(stored, Exception) and all(message.here) and not any(one.duplicate for one in stored):
            self._answer(message.number, ALL_NEW)
        else:
            self._answer(message.number, [next(fates) if here else _NOT_HERE for here in message.here])
        for gate, admitted in message.entered:
            self._intake.gates.leave(gate, admitted)

    def _answer(self, number: int, fates: Sequence[_Fate]) -> None:
        self._values.send(("answers", (number, fates), self._clock.now()))

    def _lost(self) -> None:
        self._ended.set()
        if self._passage is not None:
            self._passage.close()
            self._passage = None
        if not self._stopping:
            log.warning(
                "the side door for webhooks has ended; all of them go through the main one until the next start"
            )


def _fate(stored: StoredEvent) -> _Fate:
    return CONFLICT if stored.conflict else REPEATED if stored.duplicate else NEW, stored.id
